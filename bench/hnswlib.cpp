/*
 * hnswlib.cpp
 *	  hnswlib on the same data; library.h says how it is called.
 */
#include <atomic>
#include <memory>

#include <hnswlib/hnswlib.h>

#include "library.h"

class HnswlibIndex
{
public:
	explicit HnswlibIndex(const IndexOptions &options) : options(options)
	{
		if (options.metric == 'l')
			space.reset(new hnswlib::L2Space(options.width));
		else
			space.reset(new hnswlib::InnerProductSpace(options.width));
	}

	void build(const std::vector<float> &rows, int nthreads)
	{
		std::atomic<size_t> next(1);
		std::vector<std::thread> builders;

		graph.reset(new Graph(space.get(), options.count, options.m,
							  options.efc));
		graph->addPoint(&rows[0], 0);
		for (int t = 0; t < nthreads; t++)
			builders.emplace_back([&] {
				for (size_t i; (i = next++) < options.count;)
					graph->addPoint(&rows[i * options.width], i);
			});
		for (auto &builder : builders)
			builder.join();
	}

	void load(const std::string &file)
	{
		graph.reset(new Graph(space.get(), file));
	}

	void save(const std::string &file)
	{
		graph->saveIndex(file);
	}

	double bytes() const
	{
		double		sum = (double) graph->size_data_per_element_ *
			options.count;

		for (size_t i = 0; i < options.count; i++)
			sum += (double) graph->element_levels_[i] *
				graph->size_links_per_element_;
		return sum;
	}

	class Searcher
	{
	public:
		Searcher(const HnswlibIndex &index, int k, int ef)
			: graph(*index.graph), k(k)
		{
			/* The same for all threads of a measurement. */
			graph.setEf(std::max(ef, k));
		}

		void search(const float *query, int32_t *ids)
		{
			auto		found = graph.searchKnn(query, k);

			for (int i = 0; i < k; i++)
			{
				ids[i] = found.empty() ? -1 : (int32_t) found.top().second;
				if (!found.empty())
					found.pop();
			}
		}

	private:
		hnswlib::HierarchicalNSW<float> &graph;
		int			k;
	};

private:
	using Graph = hnswlib::HierarchicalNSW<float>;

	IndexOptions options;
	std::unique_ptr<hnswlib::SpaceInterface<float>> space;
	std::unique_ptr<Graph> graph;
};

int
main(int argc, char **argv)
{
	return library_main<HnswlibIndex>("hnswlib", argc, argv);
}
