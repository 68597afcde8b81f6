# shellcheck shell=bash
# lib.sh: what the measuring scripts share; to be sourced by them.
#
#   declare -A opt=([name]=default ...)
#   take_options option=value ...    the arguments of a script, into opt
#   take_data FOLDER                 sets data, dimensions, rows and metric
#   measuring_open                   server, vego and programs; BINDIR, TOOLS
#   measuring_start [line ...]       a cluster for measuring
#
# A system is vego, pgvector, hnswlib or faiss, or a variant: vego4 has 4 bits
# a dimension, vego-plain and vego-zstd keep exact vectors in the index,
# vego-halfvec has a table of halfvecs, faiss-sq8 has a byte a dimension.  Each
# one in the server has a database of its own, with a table items (id, embedding)
# and the index items_index.
source "$(dirname "${BASH_SOURCE[0]}")/../test/lib/cluster.sh"

commit=$(git -c safe.directory='*' -C "$TOP" describe --always --dirty \
	2>/dev/null || echo unknown)
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1 | tr -d ',')

# ---- arguments ----

take_options()
{
	local argument

	for argument in "$@"
	do
		[[ $argument == *=* && -v opt[${argument%%=*}] ]] ||
			fail "unknown option \"$argument\""
		opt[${argument%%=*}]=${argument#*=}
	done
}

take_data()
{
	local file element=4

	for file in "$1/base.fvecs" "$1/base.bvecs" ""
	do
		[ ! -f "$file" ] || break
	done
	[ -n "$file" ] || fail "$1 holds neither base.fvecs nor base.bvecs"
	[ "${file##*.}" = fvecs ] || element=1
	data=$(cd "$1" && pwd)
	base=$data/${file##*/}
	dimensions=$(od -An -t d4 -N 4 "$base" | tr -d ' ')
	rows=$(($(stat -c %s "$base") / (4 + element * dimensions)))
	metric=$(cat "$data/metric" 2>/dev/null || echo l2)
}

# ---- programs ----

# For what is measured if it is there: only root can install it.
want_packages()
{
	[ "$(id -u)" -ne 0 ] || need_packages "$@"
}

compile_programs()
{
	gcc -O2 -I"$("$PG_CONFIG" --includedir)" -o "$WORKSPACE/client" \
		"$TOP/bench/client.c" -lpq -lpthread -lm ||
		fail "client does not compile"
	gcc -O3 -march=native -ffast-math -o "$WORKSPACE/truth" \
		"$TOP/bench/truth.c" -lpthread -lm || fail "truth does not compile"
	g++ -O3 -march=native -o "$WORKSPACE/hnswlib" "$TOP/bench/hnswlib.cpp" \
		-lpthread 2>"$WORKSPACE/hnswlib.log" || true
	g++ -O3 -march=native -fopenmp -o "$WORKSPACE/faiss" \
		"$TOP/bench/faiss.cpp" -lfaiss -lopenblas -lpthread \
		2>"$WORKSPACE/faiss.log" || true
}

# BENCH_PREPARED names a workspace where all is made already.
measuring_open()
{
	workspace_open
	if [ -n "${BENCH_PREPARED:-}" ]
	then
		TOOLS=$BENCH_PREPARED
		PG_CONFIG=$(cat "$TOOLS/pg_config.path")
		BINDIR=$(dirname "$PG_CONFIG")
		export PG_CONFIG PATH="$BINDIR:$PATH"
		unset PGSERVICE PGOPTIONS PGDATA PGPASSFILE
		return
	fi
	# shellcheck disable=SC2086
	need_packages $BUILD_PACKAGES python3
	TOOLS=$WORKSPACE
	server_copy
	echo "$PG_CONFIG" >"$TOOLS/pg_config.path"
	compile_programs
	build_and_install || fail "vego does not build"
}

# A parallel build of pgvector wants as much as maintenance_work_mem in shared
# memory beside shared_buffers.
measuring_start()
{
	local shared=posix

	[ "$(df --output=avail -B1 /dev/shm | tail -n 1)" -gt \
		"$(numfmt --from=iec "${opt[memory]%B}")" ] || shared=mmap
	cluster_start "shared_buffers = ${opt[memory]}" \
		"maintenance_work_mem = ${opt[memory]}" "max_wal_size = 20GB" \
		"checkpoint_timeout = 1h" "autovacuum = off" "jit = off" \
		"max_parallel_maintenance_workers = 8" \
		"dynamic_shared_memory_type = $shared" "$@"
}

# ---- systems ----

in_server()
{
	[[ $1 == vego* || $1 == pgvector ]]
}

family_of()
{
	case $1 in
		vego*) echo vego ;;
		faiss*) echo faiss ;;
		*) echo "$1" ;;
	esac
}

# Why a system cannot take part; nothing when it can.
hindrance_of()
{
	case $1 in
		vego | vego4 | vego-plain | vego-zstd | vego-halfvec) ;;
		pgvector)
			[ -f "$("$PG_CONFIG" --sharedir)/extension/vector.control" ] ||
				echo "the server does not have it"
			;;
		hnswlib)
			[ -x "$TOOLS/hnswlib" ] ||
				echo "it does not compile (packages g++, libhnswlib-dev)"
			;;
		faiss | faiss-sq8)
			[ -x "$TOOLS/faiss" ] ||
				echo "it does not compile (packages g++, libfaiss-dev," \
					"libopenblas-dev)"
			;;
		*) echo "it is not known" ;;
	esac
}

drop_out()
{
	local system kept=()

	say "without $1: $2"
	for system in "${systems[@]}"
	do
		[ "$system" = "$1" ] || kept+=("$system")
	done
	systems=("${kept[@]}")
}

# Those of opt[systems] that can take part, into "systems".
choose_systems()
{
	local system hindrance

	IFS=, read -r -a systems <<<"${opt[systems]}"
	for system in "${systems[@]}"
	do
		hindrance=$(hindrance_of "$system")
		[ -z "$hindrance" ] || drop_out "$system" "$hindrance"
	done
}

database_of()
{
	echo "bench_${1//-/_}"
}

in_database()
{
	sql -d "$(database_of "$1")" "${@:2}"
}

extension_of()
{
	case $1 in pgvector) echo vector ;; *) echo vego ;; esac
}

type_of()
{
	case $1 in *-halfvec) echo halfvec ;; *) echo vector ;; esac
}

setting_of()
{
	case $1 in pgvector) echo hnsw.ef_search ;; *) echo vego.ef_search ;; esac
}

# What stands between WITH's brackets.
with_of()
{
	local common="m = ${opt[m]}, ef_construction = ${opt[efc]}"

	case $1 in
		pgvector) echo "$common" ;;
		*) echo "${opt[vego_with]:-$common}$(
			case $1 in
				vego4) echo ", bits = 4" ;;
				vego-halfvec) ;;
				vego-*) echo ", exact = ${1#vego-}" ;;
			esac)" ;;
	esac
}

index_of()
{
	local method=vego_hnsw

	[ "$1" != pgvector ] || method=hnsw
	echo "$method (embedding $(type_of "$1")_${metric}_ops)" \
		"WITH ($(with_of "$1"))"
}

operator_of_metric()
{
	case $metric in
		l2) echo '<->' ;;
		ip) echo '<#>' ;;
		cosine) echo '<=>' ;;
	esac
}

# ---- tables and indexes ----

change_type()
{
	[ "$(type_of "$1")" != vector ] || return 0
	in_database "$1" -c "ALTER TABLE items ALTER embedding
			TYPE $(type_of "$1")($dimensions)" \
		-c "VACUUM (ANALYZE, FREEZE) items"
}

# A variant of vego has a copy of vego's table, if there is one: so all
# tables are filled before the first index is built.
fill()
{
	local database

	database=$(database_of "$1")
	if [[ $1 == vego?* ]] && [ -n "$(sql -c "SELECT 1 FROM pg_database
		WHERE datname = 'bench_vego'")" ]
	then
		sql -c "CREATE DATABASE $database TEMPLATE bench_vego"
		change_type "$1"
		return
	fi
	sql -c "CREATE DATABASE $database"
	in_database "$1" -c "CREATE EXTENSION $(extension_of "$1")" \
		-c "CREATE TABLE items (id integer, embedding vector($dimensions))"
	PGDATABASE=$database "$TOOLS/client" load "$base" items || exit 1
	in_database "$1" -c "VACUUM (ANALYZE, FREEZE) items"
	change_type "$1"
}

# build_index SYSTEM WORKERS [setting ...]: prints the seconds of CREATE INDEX,
# or fails; the index stays.
build_index()
{
	local system=$1 workers=$2
	shift 2

	in_database "$system" <<-END |
		SET client_min_messages = warning;
		DROP INDEX IF EXISTS items_index;
		ALTER TABLE items SET (parallel_workers = $workers);
		CHECKPOINT;
		SET max_parallel_maintenance_workers = $workers;
		$(printf '%s;\n' "${@/#/SET }")
		\timing on
		CREATE INDEX items_index ON items USING $(index_of "$system");
	END
		sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' |
		awk '{ printf "%.4f\n", $1 / 1000 }'
}

index_bytes()
{
	in_database "$1" -c "SELECT pg_relation_size('items_index')"
}

bytes_per_vector()
{
	awk "BEGIN { printf \"%.1f\", $(index_bytes "$1") / $rows }"
}

# client_run SYSTEM option=value ...: one CSV row a point.
client_run()
{
	PGDATABASE=$(database_of "$1") "$TOOLS/client" run "$data" \
		guc="$(setting_of "$1")" type="$(type_of "$1")" metric="$metric" \
		header=no system="$1" commit="$commit" "${@:2}"
}

# Recall of the index as it is, at one ef.
recall_of()
{
	client_run "$1" ef="$2" seconds=0.01 clients=1 | cut -d, -f13
}

# ---- figures ----

# The median of the numbers on standard input.
median()
{
	sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# A figure that is no point of a sweep, as a CSV row:
# figure SYSTEM SETTINGS NAME VALUE
figure_header()
{
	echo "commit,cpu,server,system,settings,data,rows,dimensions,figure,value"
}

figure()
{
	local version=none

	! in_server "$1" || version=$("$BINDIR/postgres" -V | sed 's/.*) //; s/ .*//')
	echo "$commit,$cpu,$version,$1,$2,${data##*/},$rows,$dimensions,$3,$4"
}
