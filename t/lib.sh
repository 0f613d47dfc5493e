# lib.sh - TAP for shell tests. Source it first:
#
#	. "${0%/*}/lib.sh"
#	ok "card is listed" -- evbuild --list
#	exits 2 "unknown option" -- udp2raw --nonsense
#	is "$(wc -l <out)" 20 "twenty events"
#	done_testing
#
# Each test runs in a folder of its own, removed at the end (kept with FYKE_KEEP=1). Programs come
# from FYKE_BUILD/bin, and nothing else sets PATH. No sleeps: start waits for the ready line,
# until_true polls with a deadline.
set -u
top=$(cd "${0%/*}/.." && pwd)
: "${FYKE_BUILD:=$top/build}" "${FYKE_SAN:=}"
PATH=$FYKE_BUILD/bin:$PATH
export FYKE_BUILD
export FYKE_CARDS="$top/etc/cards"
export LC_ALL=C TZ=UTC
# What the sanitizers find must not look like the exit status 1 that a test expects.
export ASAN_OPTIONS="${ASAN_OPTIONS:-verify_asan_link_order=0}:exitcode=99" UBSAN_OPTIONS=exitcode=99
export TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}exitcode=99"
unset FYKE_CONFIG 2>/dev/null
tap_n=0 tap_bad=0 tap_pids=
tmp=$(mktemp -d "${TMPDIR:-/tmp}/fyke-t.XXXXXX")
cd "$tmp" || exit 99

tap_end() {
	# A child that a signal hits before it has put its traps off must not clean up for the test.
	read -r tap_self tap_rest </proc/self/stat
	[ "$tap_self" = "$$" ] || return
	for tap_p in $tap_pids; do kill -TERM "$tap_p" 2>/dev/null; done
	for tap_p in $tap_pids; do wait "$tap_p" 2>/dev/null; done
	cd /
	if [ -n "${FYKE_KEEP:-}" ]; then echo "# kept: $tmp"; else rm -rf "$tmp"; fi
}
trap tap_end EXIT
trap 'exit 99' INT TERM HUP

tap() { # tap STATUS WORDS...
	tap_n=$((tap_n + 1))
	if [ "$1" -eq 0 ]; then
		shift; echo "ok $tap_n - $*"
	else
		shift; echo "not ok $tap_n - $*"; tap_bad=$((tap_bad + 1)); return 1
	fi
}
diag() { sed 's/^/# /' >&2; }

# ok WORDS -- COMMAND...: the command exits 0
ok() { exits 0 "$@"; }

# exits STATUS WORDS -- COMMAND...: output is kept in files out and err of the test's folder
exits() {
	tap_want=$1; shift; tap_words=
	while [ "$1" != -- ]; do tap_words="$tap_words $1"; shift; done
	shift
	"$@" >out 2>err; tap_got=$?
	if [ "$tap_got" -eq "$tap_want" ]; then
		tap 0 "$tap_words"
	else
		tap 1 "$tap_words"
		echo "exit $tap_got, wanted $tap_want: $*" | diag
		head -n 5 err | diag
		return 1
	fi
}

is() { # is GOT WANTED WORDS
	tap_a=$1 tap_b=$2; shift 2
	if [ "$tap_a" = "$tap_b" ]; then
		tap 0 "$@"
	else
		tap 1 "$@"
		printf '     got: %s\nexpected: %s\n' "$tap_a" "$tap_b" | diag
		return 1
	fi
}

like() { # like FILE REGEX WORDS: some line of FILE matches
	tap_f=$1 tap_re=$2; shift 2
	if grep -Eq -- "$tap_re" "$tap_f"; then
		tap 0 "$@"
	else
		tap 1 "$@"
		echo "no line of $tap_f matches $tap_re:" | diag
		head -n 10 "$tap_f" | diag
		return 1
	fi
}

same() { # same FILE FILE WORDS: byte for byte
	tap_f=$1 tap_g=$2; shift 2
	if cmp -s "$tap_f" "$tap_g"; then
		tap 0 "$@"
	else
		tap 1 "$@"
		diff "$tap_g" "$tap_f" 2>&1 | head -n 10 | diag
		return 1
	fi
}

# golden FILE WORDS: FILE equals t/data/FILE (make golden T=name rewrites it)
golden() {
	[ -z "${FYKE_GOLDEN:-}" ] || cp "$1" "$top/t/data/$1"
	same "$1" "$top/t/data/$1" "$2"
}

skip() { tap_n=$((tap_n + 1)); echo "ok $tap_n # skip $*"; }
skip_all() { echo "1..0 # SKIP $*"; exit 0; }
need() { for tap_c; do command -v "$tap_c" >/dev/null || skip_all "$tap_c is not installed"; done; }

# until_true SECONDS COMMAND...: polls until the command succeeds
until_true() {
	tap_t=$(($1 * 50)); shift
	until "$@" >/dev/null 2>&1; do
		tap_t=$((tap_t - 1))
		[ "$tap_t" -gt 0 ] || return 1
		command sleep 0.02
	done
}

# start NAME COMMAND...: in the background; stdin from NAME.in if that exists, output in NAME.out,
# messages in NAME.err; its pid in $pid. Waits for the line "ready ADDRESS" and sets $address.
start() {
	tap_name=$1; shift
	tap_in=/dev/null; [ ! -e "$tap_name.in" ] || tap_in=$tap_name.in
	: >"$tap_name.err"
	"$@" <"$tap_in" >"$tap_name.out" 2>>"$tap_name.err" &
	pid=$!
	tap_pids="$tap_pids $pid"
	if ! until_true 20 grep -q ': ready ' "$tap_name.err"; then
		echo "$tap_name did not get ready: $*" | diag; diag <"$tap_name.err"
		return 1
	fi
	address=$(sed -n 's/.*: ready \([^ ]*\).*/\1/p' "$tap_name.err" | head -n 1)
}

# armed PID: it runs a program of ours that catches SIGTERM by now, or another program; a child that
# is the shell still, or has not come so far, would just die of a signal
armed() {
	case $(readlink "/proc/$1/exe") in
	*/bin/*sh) return 1 ;;
	"$FYKE_BUILD"/bin/*) ;;
	*) return 0 ;;
	esac
	tap_mask=$(sed -n 's/^SigCgt:[[:space:]]*/0x/p' "/proc/$1/status")
	[ $((tap_mask >> 14 & 1)) -eq 1 ]
}

# finish PID [SIGNAL]: sends the signal (none: just waits) and sets $status
finish() {
	if [ -n "${2:-}" ]; then
		until_true 1 armed "$1"
		kill -"$2" "$1" 2>/dev/null
	fi
	wait "$1" 2>/dev/null; status=$?
}

# field NAME FILE: a number from a --status JSON file
field() { sed -n "s/.*\"$1\":\\([0-9][0-9]*\\).*/\\1/p" "$2" | head -n 1; }

nightly() { [ -n "${FYKE_NIGHTLY:-}" ]; }

done_testing() {
	echo "1..$tap_n"
	[ "$tap_bad" -eq 0 ]; exit
}
