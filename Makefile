# vego: vectors and an index for nearest neighbours in PostgreSQL
#
#	make && make install
#	make installcheck			regression tests, against a running server
#	make check-kernels			distance kernels, without a server
#	make lint					the layers of src/README, as far as grep sees
#
# Packaged servers build extensions without tracking headers: after a change of
# a header, `make clean` first, or use the rule at the end of this file, which
# rebuilds everything when any header is newer.

MODULE_big = vego
EXTENSION = vego vego_pgvector
# A script EXTENSION--VERSION.sql makes a version, EXTENSION--FROM--TO.sql makes
# one of another; all there are get installed.  So a version 0.2.0 after 0.1.0
# brings vego--0.2.0.sql and vego--0.1.0--0.2.0.sql (and both of vego_pgvector,
# the second may be empty), vego--0.1.0.sql stays, and the version is changed in
# both control files, META.json and debian/changelog, which `make lint` compares.
DATA = $(patsubst $(srcdir)/%,%,$(wildcard $(srcdir)/sql/vego--*.sql \
	$(srcdir)/sql/vego_pgvector--*.sql))
PGFILEDESC = "vego - vectors and nearest-neighbour index"

OBJS = \
	src/bit_distance.o \
	src/block.o \
	src/build.o \
	src/build_graph.o \
	src/build_memory.o \
	src/build_pages.o \
	src/build_rows.o \
	src/build_shards.o \
	src/check.o \
	src/check_exact.o \
	src/check_graph.o \
	src/check_pages.o \
	src/check_rows.o \
	src/code.o \
	src/code_sparse.o \
	src/copies.o \
	src/cost.o \
	src/cost_distance.o \
	src/distance.o \
	src/estimate.o \
	src/exact.o \
	src/exact_build.o \
	src/exact_code.o \
	src/exact_page.o \
	src/exact_value.o \
	src/float_text.o \
	src/graph.o \
	src/graph_select.o \
	src/heap.o \
	src/insert.o \
	src/links.o \
	src/inspect.o \
	src/kmeans.o \
	src/nearest.o \
	src/nodes.o \
	src/opclass.o \
	src/options.o \
	src/page.o \
	src/pageedit.o \
	src/parallel.o \
	src/partition.o \
	src/partition_beacons.o \
	src/partition_binding.o \
	src/partition_candidates.o \
	src/partition_copies.o \
	src/partition_leaves.o \
	src/partition_links.o \
	src/partition_order.o \
	src/partition_places.o \
	src/plan.o \
	src/recall.o \
	src/repair.o \
	src/rowstore.o \
	src/scan.o \
	src/search.o \
	src/shards.o \
	src/shards_cells.o \
	src/shards_members.o \
	src/shards_merge.o \
	src/signposts.o \
	src/streams.o \
	src/vacuum.o \
	src/sorted.o \
	src/sparsevec.o \
	src/sparsevec_cast.o \
	src/sparsevec_ops.o \
	src/validate.o \
	src/value.o \
	src/vector.o \
	src/vector_aggregate.o \
	src/vector_cast.o \
	src/vector_io.o \
	src/vector_ops.o \
	src/vego.o \
	src/visited.o \
	src/simd/kernels_amx.o \
	src/simd/kernels_avx2.o \
	src/simd/kernels_avx512.o \
	src/simd/kernels_choose.o \
	src/simd/kernels_neon.o \
	src/simd/kernels_scalar.o

REGRESS = \
	vector_io \
	types_binary \
	types_values \
	vector_cast \
	vector_ops \
	vector_functions \
	vector_distance \
	vector_aggregates \
	halfvec \
	sparsevec \
	bit \
	types_catalog \
	jit \
	security \
	index_setup \
	index_basic \
	index_options \
	index_errors \
	index_exact \
	index_ddl \
	index_vacuum \
	index_cost \
	index_order \
	index_plan \
	index_values \
	index_types \
	index_sparse \
	check \
	recall \
	estimate \
	stats
REGRESS_OPTS = --load-extension=vego

# The first makes what the others use.
ISOLATION = \
	setup \
	insert \
	insert-vacuum \
	scan-vacuum \
	snapshot \
	rollback \
	serializable \
	create-concurrently \
	reindex-concurrently \
	matrix

# These need the library of test/waits.c, which test/run makes.
RACES = \
	race-entry \
	race-freed \
	race-dead \
	race-twice \
	race-overwritten \
	interrupts

ISOLATION_OPTS = --inputdir=test/isolation --load-extension=vego

PG_CPPFLAGS = -I$(srcdir)/src
EXTRA_CLEAN = test/kernels bench/kernels exports.txt exports.list

# What others see of the library; made below.
SHLIB_EXPORTS = exports.txt

# Exact vectors in the index are compressed with libzstd.
PKG_CONFIG ?= pkg-config
ifneq ($(shell $(PKG_CONFIG) --atleast-version=1.4.0 libzstd && echo yes),yes)
ifeq ($(filter lint check-kernels clean,$(MAKECMDGOALS)),)
$(error vego needs libzstd 1.4 or later and pkg-config: on Debian, apt-get install libzstd-dev pkg-config)
endif
endif
PG_CPPFLAGS += $(shell $(PKG_CONFIG) --cflags libzstd)
SHLIB_LINK += $(shell $(PKG_CONFIG) --libs libzstd)

# For tests: places where things go wrong (src/failure.h).
ifdef VEGO_FAILURE_POINTS
comma := ,
OBJS += src/failure.o
PG_CPPFLAGS += -DVEGO_FAILURE_POINTS
SHLIB_LINK += $(addprefix -Wl$(comma)--wrap=,palloc palloc0 palloc_extended \
	repalloc repalloc_huge pstrdup MemoryContextAlloc MemoryContextAllocHuge \
	MemoryContextAllocZero MemoryContextStrdup AllocSetContextCreateInternal \
	ZSTD_createCCtx ZSTD_createDCtx ZSTD_createDDict)
endif

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(OBJS): $(wildcard $(srcdir)/src/*.h $(srcdir)/src/simd/*.h)

# The server calls by name what scripts declare in C, and what the sources mark.
exports.txt: $(wildcard $(srcdir)/sql/*--*.sql $(srcdir)/src/*.c)
	{ echo Pg_magic_func; \
		sed -n "s/.*AS '[^']*', '\([a-z0-9_]*\)'.*/\1 pg_finfo_\1/p" \
			$(filter %.sql,$^) | tr ' ' '\n'; \
		sed -n 's/.*PGDLLEXPORT.* \([a-zA-Z0-9_]*\)(.*/\1/p' \
			$(filter %.c,$^); } | LC_ALL=C sort -u >$@

SIMD_SOURCES = $(wildcard $(srcdir)/src/simd/*.c)

check-kernels: $(srcdir)/test/kernels.c $(SIMD_SOURCES)
	$(CC) -O2 -I$(srcdir)/src -o test/kernels $^ -lm
	test/kernels

lint:
	bash $(srcdir)/test/lint

.PHONY: check-kernels lint
