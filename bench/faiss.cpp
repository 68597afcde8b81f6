/*
 * faiss.cpp
 *	  faiss's HNSW on the same data; library.h says how it is called.
 *
 * codes=fp32 keeps whole vectors, codes=sq8 a byte a dimension; what sq8 finds
 * is not ranked again by the vectors.  Each thread searches with a table of
 * its own: the library's public search allocates one a query.
 */
#include <memory>

#include <faiss/IndexHNSW.h>
#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/index_io.h>
#include <faiss/utils/Heap.h>
#include <omp.h>

#include "library.h"

class FaissIndex
{
public:
	explicit FaissIndex(const IndexOptions &options)
	{
		if (options.metric == 'i')
		{
			/* On unit vectors, L2 orders as cosine does. */
			fprintf(stderr, "faiss: l2 and cosine only\n");
			exit(2);
		}
		if (options.codes == "sq8")
			index.reset(new faiss::IndexHNSWSQ(
				options.width, faiss::ScalarQuantizer::QT_8bit, options.m));
		else
			index.reset(new faiss::IndexHNSWFlat(options.width, options.m));
		index->hnsw.efConstruction = options.efc;
	}

	void build(const std::vector<float> &rows, int nthreads)
	{
		size_t		count = rows.size() / index->d;

		omp_set_num_threads(nthreads);
		index->train(count, rows.data());
		index->add(count, rows.data());
	}

	void load(const std::string &file)
	{
		index.reset(dynamic_cast<faiss::IndexHNSW *>
					(faiss::read_index(file.c_str())));
	}

	void save(const std::string &file)
	{
		faiss::write_index(index.get(), file.c_str());
	}

	double bytes() const
	{
		auto		codes = dynamic_cast<faiss::IndexFlatCodes *>
			(index->storage);
		const faiss::HNSW &graph = index->hnsw;

		return (double) codes->codes.size() +
			(double) graph.neighbors.size() * sizeof(graph.neighbors[0]) +
			(double) graph.offsets.size() * sizeof(graph.offsets[0]) +
			(double) graph.levels.size() * sizeof(graph.levels[0]);
	}

	class Searcher
	{
	public:
		Searcher(const FaissIndex &from, int k, int ef)
			: graph(from.index->hnsw),
			  computer(from.index->storage->get_distance_computer()),
			  visited(from.index->ntotal), distances(k), found(k)
		{
			/* The same for all threads of a measurement. */
			from.index->hnsw.efSearch = ef;
		}

		void search(const float *query, int32_t *ids)
		{
			size_t		k = found.size();

			computer->set_query(query);
			faiss::maxheap_heapify(k, distances.data(), found.data());
			graph.search(*computer, k, found.data(), distances.data(),
						 visited);
			for (size_t i = 0; i < k; i++)
				ids[i] = (int32_t) found[i];
		}

	private:
		const faiss::HNSW &graph;
		std::unique_ptr<faiss::DistanceComputer> computer;
		faiss::VisitedTable visited;
		std::vector<float> distances;
		std::vector<int64_t> found;
	};

private:
	std::unique_ptr<faiss::IndexHNSW> index;
};

int
main(int argc, char **argv)
{
	return library_main<FaissIndex>("faiss", argc, argv);
}
