# long.sh: parts of the long run that are more than tests with more rounds.
#
# To be sourced by test/run, whose functions it uses.

# The same again and again: what waits for whom must not depend on luck.
repeat_isolation()
{
	local round rounds=${1:-50} before=$failed

	cluster_start "${settings[@]}"
	for ((round = 1; round <= rounds && failed == before; round++))
	do
		run_isolation >"$WORKSPACE/round.log"
		[ $failed -eq $before ] || cat "$WORKSPACE/round.log"
	done
	cluster_stop
	rm -rf "$WORKSPACE/data"
	[ $failed -gt $before ] || passes "isolation, $rounds rounds"
}

# Builds anew with these options of the compiler, and without bitcode.
build_with()
{
	as_user make -s -C "$SOURCES" clean PG_CONFIG="$PG_CONFIG" $MAKE_OPTIONS
	usual_options=$MAKE_OPTIONS
	export COPT="$*"
	MAKE_OPTIONS="with_llvm=no VEGO_FAILURE_POINTS=1"
	build_and_install
}

# And as everything else is built.
build_again()
{
	as_user make -s -C "$SOURCES" clean PG_CONFIG="$PG_CONFIG" $MAKE_OPTIONS
	unset COPT
	MAKE_OPTIONS=$usual_options
	build_and_install
}

# Parts of the short run, against a vego that was built otherwise: all of these,
# or those that only= names.  $after_part, if it is set, is called after each.
run_parts()
{
	local part

	for part
	do
		[ -z "$only" ] || [[ ,$only, == *",$part,"* ]] || continue
		case $part in
			kernels) run_kernels ;;
			regress | isolation)
				cluster_start "${settings[@]}"
				run_$part
				cluster_stop
				rm -rf "$WORKSPACE/data" ;;
			*) run_tap "$SOURCES/test/$part" ;;
		esac
		${after_part:-}
	done
}

# Runs a function where each process has the sanitizers' runtime, for the server
# is not instrumented and loads what is.  The runtime starts at the first
# allocation.  Where that is within newlocale() of a library's constructor, it
# gives back the lock that newlocale() holds, and later ones wait for ever: hence
# a library whose constructor allocates before all others.
with_sanitizers()
{
	local begin=$WORKSPACE/begin.so
	local -x LD_PRELOAD ASAN_OPTIONS

	as_user gcc -x c -shared -fPIC -Wl,-z,initfirst -o "$begin" - <<-'END'
		#include <stdlib.h>
		static void *volatile kept;
		__attribute__((constructor)) static void begin(void)
		{ kept = malloc(1); }
	END
	ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0
	ASAN_OPTIONS+=:abort_on_error=1:log_path=$sanitizer_reports
	LD_PRELOAD=$(gcc -print-file-name=libasan.so):$begin
	if as_user timeout -k 1 60 "$BINDIR/initdb" --no-sync -A trust \
		-D "$WORKSPACE/data" >"$WORKSPACE/initdb.log" 2>&1
	then
		rm -rf "$WORKSPACE/data"
		"$@"
	else
		fails "sanitized: initdb does not end well"
		cat "$WORKSPACE/initdb.log"
	fi
}

# AddressSanitizer writes its reports to a file, the other one to the log of the
# server that it ends.
keep_reports()
{
	grep -rhA 10 'runtime error: ' "$@" >"$WORKSPACE/found.log" || return 0
	cat "$WORKSPACE/found.log" >>"$sanitizer_reports.undefined"
}

sanitized_parts()
{
	run_parts t/input.pl
	local -a test_environment=("${short_environment[@]}")
	run_parts kernels regress isolation t/damage.pl t/mutations.pl t/order.pl \
		t/concurrent.pl
}

# The kernels, values from outside, regression tests and specs, damage, and much at
# once, against a vego that watches every access: what these show then is that
# there was no report.
run_sanitized()
{
	local sanitizer_reports=$WORKSPACE/sanitizer
	local kernel_options="-O1 -fsanitize=address,undefined"

	kernel_options+=" -fno-sanitize-recover=undefined"
	if [ ! -e "$(gcc -print-file-name=libasan.so)" ]
	then
		skips "sanitized: gcc has no libasan"
		return
	fi
	if ! build_with $kernel_options
	then
		fails "sanitized: does not build"
		return
	fi
	with_sanitizers sanitized_parts
	keep_reports "$WORKSPACE"/{kernels,server}.log 2>/dev/null
	if compgen -G "$sanitizer_reports.*" >/dev/null
	then
		fails "sanitized: there are reports"
		cat "$sanitizer_reports".* | head -n 60
	else
		passes "sanitized: no report"
	fi
	build_again
}

# One analyser: its command, and how it writes a warning.  Each warning must be
# one of those explained in test/explained, where a line begins with the file
# and what the analyser calls the matter.
analyse()
{
	local name=$1 file warning matter found=0 new=0
	local include="-Isrc -I$("$PG_CONFIG" --includedir-server) -D_GNU_SOURCE -DVEGO_FAILURE_POINTS"
	shift

	while read -r warning
	do
		file=${warning%%:*}
		matter=$(sed -n 's/.*\[\([^][]*\)\]$/\1/p' <<<"$warning")
		found=$((found + 1))
		grep -qF "$file $matter " "$SOURCES/test/explained" && continue
		new=$((new + 1))
		echo "$warning"
	done < <(cd "$SOURCES" && for file in src/*.c src/simd/*.c
		do
			as_user timeout 300 "$@" $include "$file" -o /dev/null 2>&1 ||
				echo "$file:0: warning: was not analysed [$name]"
		done | grep ' warning: ' | sort -u)
	if [ $new -eq 0 ]
	then
		passes "analysis by $name: $found reports, all explained"
	else
		fails "analysis by $name: $new of $found reports are not explained"
	fi
}

run_analysis()
{
	if command -v clang >/dev/null
	then
		analyse clang clang --analyze -Xclang -analyzer-output=text
	else
		skips "analysis by clang: it is not installed"
	fi
	analyse gcc gcc -O2 -fanalyzer -c
}

# What this run has counted so far, in place of what it had counted before.
collect_counts()
{
	(cd "$SOURCES" && perl "$tool" collect) >"$counted.new" &&
		mv "$counted.new" "$counted"
}

# Which lines and branches of src/ the tests go through, in the rounds of the
# short run.  What is counted does not depend on how well it is compiled, but at
# -O0 kernels take an hour.
run_coverage()
{
	local folder=${counts:-$WORKSPACE/counts} sum=$WORKSPACE/coverage.sum
	local -a test_environment=("${short_environment[@]}")
	local kernel_options="-O1 --coverage" kernels='src/simd/*.o'
	local tool=$SOURCES/test/lib/coverage.pl
	local counted=$folder/$(date +%s)-$$.counts after_part=collect_counts

	if ! build_with -O1 -fno-inline --coverage
	then
		fails "coverage: does not build"
		return
	fi
	mkdir -p "$folder"
	run_parts kernels regress isolation \
		$(cd "$SOURCES/test" && printf '%s\n' t/*.pl)
	(cd "$SOURCES" && perl "$tool" report "$folder"/*.counts) >"$sum"
	case $? in
		0) passes "coverage: $(tail -n 1 "$sum")" ;;
		1) fails "coverage: $(tail -n 1 "$sum"), less than 90 and 80 %" ;;
		*) fails "coverage: cannot be told" ;;
	esac
	cat "$sum"
	build_again
}
