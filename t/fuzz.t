# fuzz.t - the corpora of make fuzz run through every parser without a finding
# san: yes
. "${0%/*}/lib.sh"
for target in "$top"/t/fuzz/*.c; do
	name=$(basename "$target" .c)
	[ "$name" != replay ] || continue
	set -- "$top/t/fuzz/corpus/$name"/*
	[ -e "$1" ] || { tap 1 "$name has a corpus"; continue; }
	ok "$name takes its $# inputs" -- "$FYKE_BUILD/t/fuzz-$name" "$@"
done
done_testing
