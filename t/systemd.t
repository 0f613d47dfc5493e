# systemd.t - the units in etc/systemd are well written and well locked up
. "${0%/*}/lib.sh"
need systemd-analyze
for unit in "$top"/etc/systemd/*.service; do
	name=$(basename "$unit")
	systemd-analyze security --offline=true --no-pager "$unit" >level 2>&1
	level=$(sed -n 's/.*exposure level for [^:]*: \([0-9.]*\) .*/\1/p' level)
	ok "$name is exposed by ${level:-?}, at most 2.0" -- awk "BEGIN { exit !(${level:-99} <= 2.0) }"
	program=$(sed -n 's,^ExecStart=[^ ]*/\([a-z0-9]*\) .*,\1,p' "$unit")
	ok "$name starts $program, which exists" -- test -x "$FYKE_BUILD/bin/$program"
done
done_testing
