# long.sh: parts of the long run that are more than tests with more rounds.
#
# To be sourced by test/run, whose functions it uses.

# The same again and again: what waits for whom must not depend on luck.
repeat_isolation()
{
	local round rounds=${1:-50} before=$failed

	cluster_start "shared_buffers = 256MB" "max_prepared_transactions = 10"
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
	as_user make -s -C "$SOURCES" clean PG_CONFIG="$PG_CONFIG"
	usual_options=$MAKE_OPTIONS
	export COPT="$*"
	MAKE_OPTIONS="with_llvm=no VEGO_FAILURE_POINTS=1"
	build_and_install
}

# And as everything else is built.
build_again()
{
	as_user make -s -C "$SOURCES" clean PG_CONFIG="$PG_CONFIG"
	unset COPT
	MAKE_OPTIONS=$usual_options
	build_and_install
}

# Values from outside against a vego that watches every access: what a test
# shows then is that there was no report.  The server is not instrumented, so
# the runtime comes first in every process.  It leaves the C library's lock of
# message catalogues one unlock ahead, which readers do not mind and a writer
# waits for: hence no catalogues.
run_sanitized()
{
	local runtime no_catalogues=$WORKSPACE/no_catalogues.so
	local -a environment=("${test_environment[@]}")
	local reports=$WORKSPACE/sanitizer

	runtime=$(gcc -print-file-name=libasan.so)
	if [ ! -e "$runtime" ]
	then
		skips "sanitized: gcc has no libasan"
		return
	fi
	as_user gcc -x c -w -shared -fPIC -o "$no_catalogues" - <<-'END'
		char *bindtextdomain(const char *domain, const char *folder)
		{ return (char *) folder; }
		char *textdomain(const char *domain) { return (char *) domain; }
	END
	if ! build_with -O1 -fsanitize=address,undefined \
		-fno-sanitize-recover=undefined
	then
		fails "sanitized: does not build"
		return
	fi
	test_environment+=("LD_PRELOAD=$runtime:$no_catalogues"
		"ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=1:log_path=$reports"
		"UBSAN_OPTIONS=print_stacktrace=1:log_path=$reports")
	run_tap "$SOURCES/test/t/input.pl"
	test_environment=("${environment[@]}")
	if compgen -G "$reports.*" >/dev/null
	then
		fails "sanitized: there are reports"
		cat "$reports".* | head -n 60
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

# What gcov says of a source: its name, lines, how many of them were executed,
# branches, and how many of them were taken.
covered()
{
	(cd "$SOURCES" && as_user gcov -n -b -o "$(dirname "$1")" "$1" 2>/dev/null) |
		awk -v source="$1" '
			/^File / { wanted = $0 == "File \x27" source "\x27" }
			!wanted { next }
			match($0, /^Lines executed:.*% of /) {
				split($0, part, /[:%]/); lines = $NF
				executed = part[2] / 100 * lines }
			/^Taken at least once:/ {
				split($0, part, /[:%]/); branches = $NF
				taken = part[2] / 100 * branches }
			END { if (lines > 0)
				printf "%s %d %.0f %d %.0f\n", source, lines, executed,
					branches, taken }'
}

# Which lines and branches of src/ the tests go through.  The kernels of other
# instruction sets than the server chooses are run by their own test.
run_coverage()
{
	local file report=$WORKSPACE/coverage

	if ! build_with -O0 --coverage
	then
		fails "coverage: does not build"
		return
	fi
	(cd "$SOURCES" && as_user gcc -O0 --coverage -w -Isrc -o ../kernels-test \
		test/kernels.c src/simd/*.o -lm -lpthread &&
		as_user "$WORKSPACE/kernels-test") >"$WORKSPACE/kernels.log"
	cluster_start "shared_buffers = 256MB" "max_prepared_transactions = 10" \
		"max_wal_size = 4GB"
	run_regress
	run_isolation
	cluster_stop
	rm -rf "$WORKSPACE/data"
	for file in "$SOURCES"/test/t/*.pl
	do
		long= run_tap "$file"
	done

	for file in "$SOURCES"/src/*.c "$SOURCES"/src/simd/*.c
	do
		covered "${file#"$SOURCES"/}"
	done >"$report"
	awk '{ printf "%-32s %5d lines %6.1f %%  %5d branches %6.1f %%\n", $1, $2,
			100 * $3 / $2, $4, $4 > 0 ? 100 * $5 / $4 : 100 }' "$report"
	if awk '{ lines += $2; executed += $3; branches += $4; taken += $5 }
		END { printf "%d lines, %.1f %%; %d branches, %.1f %%\n", lines,
				100 * executed / lines, branches, 100 * taken / branches
			exit executed < 0.9 * lines || taken < 0.8 * branches }' \
		"$report" >"$report.sum"
	then
		passes "coverage: $(cat "$report.sum")"
	else
		fails "coverage: $(cat "$report.sum"), less than 90 and 80 %"
	fi
	build_again
}
