/*
 * library.h
 *	  Measures a library that searches within the process: no SQL, no pages.
 *
 *	PROGRAM FOLDER [build=THREADS] [m=16] [efc=64] [ef=10,20,...] [k=10]
 *			[clients=1,2] [seconds=2] [metric=l2|ip|cosine] [codes=fp32]
 *			[index=FILE [build_s=SECONDS]] [header=no] [commit=NAME]
 *			[system=NAME]
 *
 * Builds, or reads the index from FILE when that exists (else writes it), and
 * prints a CSV row for every ef and number of search threads, which are the
 * clients.  QPS is the sum over the threads.
 *
 * A program gives library_main a class with
 *
 *	Index(const IndexOptions &)
 *	void build(const std::vector<float> &rows, int nthreads)
 *	void load(file), void save(file)
 *	double bytes()					of vectors and links
 *	class Searcher					one for each thread
 *		Searcher(const Index &, int k, int ef)
 *		void search(const float *query, int32_t *ids)	k ids, -1 for none
 */
#ifndef LIBRARY_H
#define LIBRARY_H

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "fvecs.h"
#include "point.h"

struct IndexOptions
{
	int			width;
	size_t		count;
	char		metric;			/* rows are of unit length when 'c' */
	int			m;
	int			efc;
	std::string codes;
};

struct Speed
{
	double		qps;
	double		p50_us;
	double		p99_us;
};

using Clock = std::chrono::steady_clock;

static inline double
seconds_since(Clock::time_point start)
{
	return std::chrono::duration<double>(Clock::now() - start).count();
}

static inline std::vector<int>
numbers(const std::string &list)
{
	std::vector<int> result;

	for (size_t at = 0; at < list.size();)
	{
		result.push_back(atoi(list.c_str() + at));
		at = std::min(list.find(',', at), list.size() - 1) + 1;
	}
	return result;
}

/* The rows as the index wants them: contiguous, of unit length for cosine. */
static inline std::vector<float>
copy_rows(Rows rows, char metric)
{
	std::vector<float> copy(rows.count * rows.width);

	for (size_t i = 0; i < rows.count; i++)
	{
		const float *from = float_row(rows, i);
		float	   *to = &copy[i * rows.width];
		double		square = 0;

		for (int j = 0; j < rows.width; j++)
			square += (double) from[j] * from[j];
		double		scale = metric == 'c' && square > 0
			? 1 / std::sqrt(square) : 1;

		for (int j = 0; j < rows.width; j++)
			to[j] = (float) (from[j] * scale);
	}
	return copy;
}

template<class Index>
static Speed
measure(const Index &index, const std::vector<float> &queries, int width,
		int k, int ef, int nthreads, double duration)
{
	size_t		nqueries = queries.size() / width;
	std::vector<std::vector<float>> times(nthreads);
	std::vector<std::thread> threads;
	auto		start = Clock::now();

	for (int t = 0; t < nthreads; t++)
		threads.emplace_back([&, t] {
			typename Index::Searcher searcher(index, k, ef);
			std::vector<int32_t> ids(k);
			size_t		q = nqueries * t / nthreads;
			auto		before = Clock::now();

			while (std::chrono::duration<double>(before - start).count() <
				   duration)
			{
				searcher.search(&queries[q * width], ids.data());
				q = (q + 1) % nqueries;
				auto		after = Clock::now();

				times[t].push_back(std::chrono::duration<float, std::micro>
								   (after - before).count());
				before = after;
			}
		});
	for (auto &thread : threads)
		thread.join();

	double		elapsed = seconds_since(start);
	std::vector<float> all;

	for (auto &one : times)
		all.insert(all.end(), one.begin(), one.end());
	std::sort(all.begin(), all.end());
	return {all.size() / elapsed, all[all.size() / 2],
			all[all.size() * 99 / 100]};
}

/* A hit is a row no farther than the k-th nearest. */
template<class Index>
static void
measure_recall(const Index &index, const std::vector<float> &query_copy,
			   Rows base, Rows queries, Rows truth, char metric, Point *point)
{
	typename Index::Searcher searcher(index, point->k, point->ef);
	std::vector<int32_t> ids(point->k);
	std::vector<int32_t> hits(queries.count);

	for (size_t q = 0; q < queries.count; q++)
	{
		const float *query = float_row(queries, q);
		int32_t		last = int_row(truth, q)[point->k - 1];
		double		limit = true_distance(metric, query,
										  float_row(base, last), base.width);

		searcher.search(&query_copy[q * queries.width], ids.data());
		for (int32_t id : ids)
			hits[q] += id >= 0 &&
				true_distance(metric, query, float_row(base, id),
							  base.width) <= limit;
	}
	set_recall(point, hits.data(), queries.count);
}

template<class Index>
static int
library_main(const char *library, int argc, char **argv)
{
	std::map<std::string, std::string> option = {
		{"build", "2"}, {"m", "16"}, {"efc", "64"}, {"k", "10"},
		{"ef", "10,20,30,40,60,80,100,150,200,300,400"}, {"clients", "1,2"},
		{"seconds", "2"}, {"metric", "l2"}, {"index", ""}, {"build_s", "0"},
		{"header", "yes"}, {"commit", "unknown"}, {"codes", "fp32"},
		{"system", library}};

	if (argc < 2)
	{
		fprintf(stderr, "usage: %s FOLDER [option=value ...]\n", library);
		return 2;
	}
	for (int i = 2; i < argc; i++)
	{
		std::string argument = argv[i];
		size_t		equals = argument.find('=');

		if (equals == std::string::npos ||
			!option.count(argument.substr(0, equals)))
		{
			fprintf(stderr, "%s: unknown option \"%s\"\n", library, argv[i]);
			return 2;
		}
		option[argument.substr(0, equals)] = argument.substr(equals + 1);
	}

	std::string folder = argv[1];
	char		metric = option["metric"][0];
	int			k = atoi(option["k"].c_str());
	Rows		base = map_vectors(argv[1], "base");
	Rows		queries = map_vectors(argv[1], "query");
	Rows		truth = map_truth(argv[1]);
	std::vector<float> query_copy = copy_rows(queries, metric);
	Index		index({base.width, base.count, metric,
					   atoi(option["m"].c_str()), atoi(option["efc"].c_str()),
					   option["codes"]});
	std::string saved = option["index"];
	double		build_s = atof(option["build_s"].c_str());

	if (!saved.empty() && access(saved.c_str(), R_OK) == 0)
		index.load(saved);
	else
	{
		std::vector<float> base_copy = copy_rows(base, metric);
		auto		start = Clock::now();

		index.build(base_copy, atoi(option["build"].c_str()));
		build_s = seconds_since(start);
		if (!saved.empty())
			index.save(saved);
	}

	std::string settings = "m=" + option["m"] + " efc=" + option["efc"] +
		" codes=" + option["codes"];
	std::string data = folder.substr(folder.rfind('/') + 1);
	Point		point = {};

	point.commit = option["commit"].c_str();
	point.server = "none";
	point.system = option["system"].c_str();
	point.settings = settings.c_str();
	point.data = data.c_str();
	point.rows = base.count;
	point.k = k;
	point.build_s = build_s;
	point.bytes_per_vector = index.bytes() / base.count;
	if (option["header"][0] == 'y')
		print_point_header();
	for (int ef : numbers(option["ef"]))
	{
		point.ef = ef;
		measure_recall(index, query_copy, base, queries, truth, metric,
					   &point);
		for (int nthreads : numbers(option["clients"]))
		{
			Speed		speed = measure(index, query_copy, base.width, k, ef,
										nthreads,
										atof(option["seconds"].c_str()));

			point.clients = nthreads;
			point.qps = speed.qps;
			point.p50_us = speed.p50_us;
			point.p99_us = speed.p99_us;
			print_point(&point);
		}
	}
	return 0;
}

#endif							/* LIBRARY_H */
