# night.sh - what start_tel_util, start_merge and remerge share; they source it. Sets $name, and PATH
# so that the merge found first is the one installed beside them.
# shellcheck shell=sh disable=SC2034 # used by those
name=${0##*/}
PATH=$here:$PATH
LC_ALL=C TZ=UTC
export PATH LC_ALL TZ
config=/etc/fyke.conf force=

say() { echo "$name: $*" >&2; }
die() { # die STATUS WORDS...
	night_status=$1; shift
	say "$@"
	exit "$night_status"
}

# setting SECTION KEY: its values in the configuration, one a line; without KEY all keys, with lines
setting() {
	awk -v section="$1" -v wanted="${2:-}" '
		function trim(s) { gsub(/^[ \t]+|[ \t\r]+$/, "", s); return s }
		/^[ \t]*([#;]|\r?$)/ { next }
		/^[ \t]*\[/ { sub(/^[ \t]*\[/, ""); sub(/\].*$/, ""); now = $0; next }
		now == section && match($0, /[=:]/) {
			value = substr($0, RSTART + 1); key = trim(substr($0, 1, RSTART - 1))
			sub(/[ \t];.*$/, "", value)
			if (wanted == "") print NR, key
			else if (key == wanted) print trim(value)
		}' "$config"
}

# read_paths: the section [paths] as variables; a key that nobody knows is a mistake
read_paths() {
	[ -r "$config" ] || die 2 "$config: cannot be read: name the folders there (start_tel_util(1)), or another file with --config=FILE"
	night_odd=$(setting paths | grep -vE ' (das|antenna|rawdir|headerdir|encdir|merged|calspec)$' | head -n 1)
	[ -z "$night_odd" ] || die 2 "$config:${night_odd%% *}: no such key in [paths]: ${night_odd#* }"
	das=$(setting paths das) antenna=$(setting paths antenna)
	rawdir=$(setting paths rawdir) headerdir=$(setting paths headerdir) encdir=$(setting paths encdir)
	merged=$(setting paths merged) calspec=$(setting paths calspec)
}

# need_folder KEY PATH: it is named in the configuration, and there
need_folder() {
	[ -n "$2" ] || die 2 "$config: $1 is missing in [paths]"
	[ -d "$2" ] || die 3 "$1 = $2: no such folder"
}

# need_merge: what every merge needs
need_merge() {
	need_folder rawdir "$rawdir"
	need_folder merged "$merged"
	[ -n "$calspec" ] || die 2 "$config: calspec is missing in [paths]"
	[ -r "$calspec" ] || die 3 "calspec = $calspec: cannot be read"
	[ -z "$headerdir" ] || need_folder headerdir "$headerdir"
	[ -z "$encdir" ] || need_folder encdir "$encdir"
}

need_day() { # need_day TEXT: it is a day
	case $1 in
	[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9])
		[ "$(date -u -d "$1" +%Y%m%d 2>/dev/null)" != "$1" ] || return 0
		;;
	esac
	die 2 "$1: not a day, as 20050621 is"
}

# last_minute DAY: of its last raw file, nothing where there is none
last_minute() {
	find "$rawdir/$1" -maxdepth 1 -name "raw_${1#??}_[0-9][0-9][0-9][0-9].bin" 2>/dev/null |
		sed 's/.*_\([0-9]*\)\.bin$/\1/' | sort | tail -n 1
}

# need_time: goes on only when this machine's clock is good, or with --force
need_time() {
	timecheck --config="$config" >&2
	case $? in
	0) return ;;
	2) exit 2 ;;
	esac
	[ -n "$force" ] || die 4 "not started, because the clock cannot be trusted: mend it, or say --force"
	say "started although the clock cannot be trusted (--force)"
}

# tell_end PID: TERM until it has ended, for a shell can lose a signal to a child that it is just making
tell_end() { (while kill -TERM "$1" 2>/dev/null; do sleep 1; done) 9>&- & }

# await: until $child has ended, whatever signals come meanwhile; sets $status
await() {
	wait "$child"
	status=$?
	while kill -0 "$child" 2>/dev/null; do
		wait "$child"
		status=$?
	done
}
