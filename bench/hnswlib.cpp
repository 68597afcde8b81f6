/*
 * hnswlib.cpp
 *	  hnswlib on the same data: no SQL, no pages, one process.
 *
 *	hnswlib FOLDER [build=THREADS] [m=16] [efc=64] [ef=10,20,...] [k=10]
 *			[clients=1,2] [seconds=2] [metric=l2|ip|cosine]
 *			[index=FILE [build_s=SECONDS]] [header=no] [commit=NAME]
 *
 * Builds, or reads the index from FILE when that exists (else writes it), and
 * prints a CSV row for every ef and number of search threads.  QPS is the sum
 * over the threads.
 */
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <hnswlib/hnswlib.h>

#include "fvecs.h"
#include "point.h"

using Clock = std::chrono::steady_clock;

static double
seconds_since(Clock::time_point start)
{
	return std::chrono::duration<double>(Clock::now() - start).count();
}

static std::vector<int>
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
static std::vector<float>
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

struct Speed
{
	double		qps;
	double		p50_us;
	double		p99_us;
};

static Speed
measure(hnswlib::HierarchicalNSW<float> &index,
		const std::vector<float> &queries, int width, int k, int nthreads,
		double duration)
{
	size_t		nqueries = queries.size() / width;
	std::vector<std::vector<float>> times(nthreads);
	std::vector<std::thread> threads;
	auto		start = Clock::now();

	for (int t = 0; t < nthreads; t++)
		threads.emplace_back([&, t] {
			size_t		q = nqueries * t / nthreads;
			auto		before = Clock::now();

			while (std::chrono::duration<double>(before - start).count() <
				   duration)
			{
				index.searchKnn(&queries[q * width], k);
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
static double
recall(hnswlib::HierarchicalNSW<float> &index,
	   const std::vector<float> &query_copy, Rows base, Rows queries,
	   Rows truth, int k, char metric)
{
	size_t		hits = 0;

	for (size_t q = 0; q < queries.count; q++)
	{
		auto		found = index.searchKnn(&query_copy[q * queries.width], k);
		double		limit = true_distance(metric, float_row(queries, q),
										  float_row(base,
													int_row(truth, q)[k - 1]),
										  base.width);

		for (; !found.empty(); found.pop())
			hits += true_distance(metric, float_row(queries, q),
								  float_row(base, found.top().second),
								  base.width) <= limit;
	}
	return (double) hits / (queries.count * k);
}

static double
bytes_per_row(const hnswlib::HierarchicalNSW<float> &index, size_t count)
{
	double		bytes = (double) index.size_data_per_element_ * count;

	for (size_t i = 0; i < count; i++)
		bytes += (double) index.element_levels_[i] *
			index.size_links_per_element_;
	return bytes / count;
}

/* Adds every row; returns the seconds it took. */
static double
build(hnswlib::HierarchicalNSW<float> &index, const std::vector<float> &rows,
	  int width, int nbuilders)
{
	size_t		count = rows.size() / width;
	std::atomic<size_t> next(1);
	std::vector<std::thread> builders;
	auto		start = Clock::now();

	index.addPoint(&rows[0], 0);
	for (int t = 0; t < nbuilders; t++)
		builders.emplace_back([&] {
			for (size_t i; (i = next++) < count;)
				index.addPoint(&rows[i * width], i);
		});
	for (auto &builder : builders)
		builder.join();
	return seconds_since(start);
}

int
main(int argc, char **argv)
{
	std::map<std::string, std::string> option = {
		{"build", "2"}, {"m", "16"}, {"efc", "64"}, {"k", "10"},
		{"ef", "10,20,30,40,60,80,100,150,200,300,400"}, {"clients", "1,2"},
		{"seconds", "2"}, {"metric", "l2"}, {"index", ""}, {"build_s", "0"},
		{"header", "yes"}, {"commit", "unknown"}};

	if (argc < 2)
	{
		fprintf(stderr, "usage: hnswlib FOLDER [option=value ...]\n");
		return 2;
	}
	for (int i = 2; i < argc; i++)
	{
		std::string argument = argv[i];
		size_t		equals = argument.find('=');

		if (equals == std::string::npos ||
			!option.count(argument.substr(0, equals)))
		{
			fprintf(stderr, "hnswlib: unknown option \"%s\"\n", argv[i]);
			return 2;
		}
		option[argument.substr(0, equals)] = argument.substr(equals + 1);
	}

	std::string folder = argv[1];
	char		metric = option["metric"][0];
	int			k = atoi(option["k"].c_str());
	Rows		base = map_rows((folder + "/base.fvecs").c_str());
	Rows		queries = map_rows((folder + "/query.fvecs").c_str());
	Rows		truth = map_rows((folder + "/truth.ivecs").c_str());
	std::vector<float> base_copy = copy_rows(base, metric);
	std::vector<float> query_copy = copy_rows(queries, metric);
	hnswlib::L2Space l2(base.width);
	hnswlib::InnerProductSpace product(base.width);
	hnswlib::SpaceInterface<float> *space = &l2;

	if (metric != 'l')
		space = &product;

	std::string saved = option["index"];
	int			m = atoi(option["m"].c_str());
	int			efc = atoi(option["efc"].c_str());
	double		build_s = atof(option["build_s"].c_str());
	std::unique_ptr<hnswlib::HierarchicalNSW<float>> index;

	if (!saved.empty() && access(saved.c_str(), R_OK) == 0)
		index.reset(new hnswlib::HierarchicalNSW<float>(space, saved));
	else
	{
		index.reset(new hnswlib::HierarchicalNSW<float>(space, base.count, m,
														efc));
		build_s = build(*index, base_copy, base.width,
						atoi(option["build"].c_str()));
		if (!saved.empty())
			index->saveIndex(saved);
	}

	std::string settings = "m=" + option["m"] + " efc=" + option["efc"] +
		" build=" + option["build"];
	std::string data = folder.substr(folder.rfind('/') + 1);
	Point		point = {};

	point.commit = option["commit"].c_str();
	point.server = "none";
	point.system = "hnswlib";
	point.settings = settings.c_str();
	point.data = data.c_str();
	point.rows = base.count;
	point.k = k;
	point.build_s = build_s;
	point.bytes_per_vector = bytes_per_row(*index, base.count);
	if (option["header"][0] == 'y')
		print_point_header();
	for (int ef : numbers(option["ef"]))
	{
		index->setEf(std::max(ef, k));
		point.ef = ef;
		point.recall = recall(*index, query_copy, base, queries, truth, k,
							  metric);
		for (int nthreads : numbers(option["clients"]))
		{
			Speed		speed = measure(*index, query_copy, base.width, k,
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
