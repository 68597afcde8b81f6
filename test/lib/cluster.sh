# cluster.sh: a PostgreSQL of one's own, to be sourced by bash scripts.
#
#   source test/lib/cluster.sh
#   need_packages gcc make ...       install what is missing (root only)
#   can_have "PACKAGE ..." COMMAND   does COMMAND work, with these packages?
#   workspace_open                   a temporary folder, removed at exit
#   server_copy                      a private copy of the installed server
#   build_and_install                vego, built from this tree, into the copy
#   cluster_start [line ...]         a cluster; each line goes to its settings
#   as_user command ...              run as the user that owns the cluster
#
# Nothing outside the workspace is changed: the server's files are linked into
# the workspace, where PostgreSQL finds its libraries relative to its program,
# and vego is installed there.  So no privilege is needed, and two runs do not
# meet.  The server never runs as root: root hands it to the user postgres.
#
# After cluster_start, PGHOST, PGPORT, PGUSER and PGDATABASE point to it.

POSTGRES_VERSION=15
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

BUILD_PACKAGES="gcc libc6-dev make perl libipc-run-perl postgresql-15
	postgresql-server-dev-15 libpq-dev libzstd-dev pkg-config"

say()
{
	printf '== %s\n' "$*" >&2
}

fail()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Another user must own the cluster when root calls.
as_user()
{
	if [ "$(id -u)" -eq 0 ]
	then
		setpriv --reuid=postgres --regid=postgres --init-groups \
			env HOME="$WORKSPACE" "$@"
	else
		"$@"
	fi
}

missing_packages()
{
	local package

	for package in "$@"
	do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
			grep -q 'ok installed' || printf '%s ' "$package"
	done
}

need_packages()
{
	local missing

	command -v dpkg-query >/dev/null || return 0	# not Debian: trust the user
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	[ "$(id -u)" -eq 0 ] ||
		fail "these packages are missing, and only root can install them: $missing"
	say "installing $missing"
	export DEBIAN_FRONTEND=noninteractive
	# The packaged cluster is not ours and not needed.
	if [ ! -e /etc/postgresql-common/createcluster.conf ]
	then
		mkdir -p /etc/postgresql-common
		echo 'create_main_cluster = false' \
			>/etc/postgresql-common/createcluster.conf
	fi
	apt-get update -qq &&
		apt-get install -y -qq --no-install-recommends \
			-o Dpkg::Options::=--force-confold $missing >&2 ||
		fail "apt-get could not install: $missing"
}

# For what one can do without: true if the command succeeds, after packages
# have been installed if need be.
can_have()
{
	local packages=$1
	shift

	"$@" >/dev/null 2>&1 && return 0
	[ "$(id -u)" -eq 0 ] && (need_packages $packages) && "$@" >/dev/null 2>&1
}

workspace_close()
{
	cluster_stop
	[ -z "${WORKSPACE:-}" ] || rm -rf "$WORKSPACE"
	WORKSPACE=
}

# A socket's path may have 107 bytes, so a deep TMPDIR is not used.
workspace_open()
{
	local parent=${TMPDIR:-/tmp}

	[ ${#parent} -lt 60 ] || parent=/tmp
	WORKSPACE=$(mktemp -d "$parent/vego.XXXXXX") || exit 1
	trap workspace_close EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	chmod 755 "$WORKSPACE"
	cd "$WORKSPACE"		# a place that every user can read
	if [ "$(id -u)" -eq 0 ]
	then
		id postgres >/dev/null 2>&1 || fail "there is no user postgres"
		chown postgres: "$WORKSPACE"
	fi
}

installed_pg_config()
{
	local candidate=/usr/lib/postgresql/$POSTGRES_VERSION/bin/pg_config

	if [ -n "${PG_CONFIG:-}" ]
	then
		echo "$PG_CONFIG"
	elif [ -x "$candidate" ]
	then
		echo "$candidate"
	else
		command -v pg_config || fail "pg_config not found; set PG_CONFIG"
	fi
}

# The last common folder of the two paths on a line each.
common_folder()
{
	local one=$1 two=$2

	while [ "${two#"$one"/}" = "$two" ]
	do
		one=${one%/*}
	done
	echo "$one"
}

# Programs are copied and the rest is linked: a program finds its libraries
# and its share folder relative to where the program itself lies.
server_copy()
{
	local from bindir prefix folder

	from=$(installed_pg_config) || exit 1
	bindir=$("$from" --bindir)
	[ -x "$bindir/postgres" ] || fail "$from knows no server programs"
	prefix=$(common_folder "$bindir" "$("$from" --sharedir)")
	for folder in "$bindir" "$("$from" --pkglibdir)" "$("$from" --sharedir)"
	do
		as_user mkdir -p "$WORKSPACE/server/${folder#"$prefix"/}"
	done
	as_user cp -RL "$bindir/." "$WORKSPACE/server/${bindir#"$prefix"/}/"
	for folder in "$("$from" --pkglibdir)" "$("$from" --sharedir)"
	do
		as_user cp -Rs "$folder/." "$WORKSPACE/server/${folder#"$prefix"/}/"
	done
	folder=$("$from" --includedir)
	as_user mkdir -p "$(dirname "$WORKSPACE/server/${folder#"$prefix"/}")"
	as_user ln -s "$folder" "$WORKSPACE/server/${folder#"$prefix"/}"

	BINDIR=$WORKSPACE/server/${bindir#"$prefix"/}
	PG_CONFIG=$BINDIR/pg_config
	PKGLIBDIR=$("$PG_CONFIG" --pkglibdir)
	PGXS_SRC=$PKGLIBDIR/pgxs/src
	case $PKGLIBDIR in
		"$WORKSPACE"/*) ;;
		*) fail "the copied server does not find its own files" ;;
	esac
	# What is being tested is this tree, never an installed vego.
	rm -rf "$PKGLIBDIR"/vego* "$PKGLIBDIR"/bitcode/vego* \
		"$("$PG_CONFIG" --sharedir)"/extension/vego*
	export PG_CONFIG PATH="$BINDIR:$PATH"
	unset PGSERVICE PGOPTIONS PGDATA PGPASSFILE
}

# Always from clean sources: PGXS does not track headers.
source_copy()
{
	as_user mkdir -p "$WORKSPACE/vego"
	if git -c safe.directory='*' -C "$TOP" rev-parse --git-dir \
		>/dev/null 2>&1
	then
		git -c safe.directory='*' -C "$TOP" ls-files -z \
			--cached --others --exclude-standard
	else
		(cd "$TOP" && find . -type f ! -name '*.o' ! -name '*.bc' \
			! -name '*.so' -print0)
	fi |
		tar -C "$TOP" --null --no-recursion --ignore-failed-read -cf - -T - \
			2>/dev/null |
		as_user tar -C "$WORKSPACE/vego" --no-same-owner -xf - ||
		fail "could not copy the sources"
	SOURCES=$WORKSPACE/vego
}

build_and_install()
{
	source_copy
	say "building vego"
	as_user make -s -C "$SOURCES" -j"$(nproc)" PG_CONFIG="$PG_CONFIG" \
		${MAKE_OPTIONS:-} >"$WORKSPACE/build.log" 2>&1 &&
		as_user make -s -C "$SOURCES" install PG_CONFIG="$PG_CONFIG" \
			${MAKE_OPTIONS:-} >>"$WORKSPACE/build.log" 2>&1 ||
		{
			cat "$WORKSPACE/build.log" >&2
			return 1
		}
	grep -E 'warning:|error:' "$WORKSPACE/build.log" >&2
	return 0
}

cluster_start()
{
	as_user "$BINDIR/initdb" -D "$WORKSPACE/data" -U postgres -A trust \
		-E UTF8 --no-locale --no-sync >"$WORKSPACE/initdb.log" 2>&1 ||
		{
			cat "$WORKSPACE/initdb.log" >&2
			fail "initdb did not succeed"
		}
	{
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$WORKSPACE'"
		echo "fsync = off"
		printf '%s\n' "$@"
	} | as_user tee -a "$WORKSPACE/data/postgresql.conf" >/dev/null
	as_user "$BINDIR/pg_ctl" -D "$WORKSPACE/data" -l "$WORKSPACE/server.log" \
		-w -s start ||
		{
			cat "$WORKSPACE/server.log" >&2
			fail "the server did not start"
		}
	CLUSTER_RUNS=yes
	export PGHOST=$WORKSPACE PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
}

cluster_stop()
{
	[ -n "${CLUSTER_RUNS:-}" ] || return 0
	as_user "$BINDIR/pg_ctl" -D "$WORKSPACE/data" -m immediate -w -s stop
	CLUSTER_RUNS=
}

sql()
{
	"$BINDIR/psql" -X -q -A -t -v ON_ERROR_STOP=1 "$@"
}
