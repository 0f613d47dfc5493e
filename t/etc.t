# etc.t - units, crontab lines and the dashboard fit the programs
. "${0%/*}/lib.sh"

# Every program that a unit or a crontab line starts is one of ours and takes these options.
grep -h '^ExecStart=' "$top"/etc/systemd/*.service | sed 's/^ExecStart=[-@:+!]*//; s,/usr/local/bin/,,' >commands
grep -oE '(gasread|hvmon|influxput) -[^|]*' "$top/etc/crontab.example" >>commands
while read -r command; do
	# --usage is read after all the others: an unknown option before it is exit 2
	# shellcheck disable=SC2086 # words
	set -- $command
	"$@" --usage >/dev/null 2>err </dev/null
	tap $? "$command" || diag <err
done <commands

# Crontab lines, those behind a comment sign too: five fields of time, a user, and words for sh that start
# flock as it wants it. The programs are played: they say how they were called.
mkdir played
for program in gasread hvmon influxput; do
	printf '#!/bin/sh\necho %s "$@" >>%s\n' "$program" "$tmp/called" >"played/$program"
	chmod +x "played/$program"
done
sed 's/^@reboot /0 0 * * * /' "$top/etc/crontab.example" | sed -n 's/^#\([0-9*].*\)/\1/p; /^[0-9*]/p' >crontab
ok "the crontab has lines" -- test "$(wc -l <crontab)" -ge 4
while read -r line; do
	like_time=$(echo "$line" | grep -cE '^([0-9*/,-]+ +){5}fyke +[a-z]')
	is "$like_time" 1 "five fields of time and a user: ${line%%flock*}"
	command=$(echo "$line" | sed -E "s,^([^ ]+ +){6},,; s,/run/lock/,$tmp/,g")
	: >called
	ok "sh and flock take the rest" -- env PATH="$tmp/played:$PATH" sh -c "$command"
	is "$(wc -l <called)" "$(echo "$command" | grep -oE '(gasread|hvmon|influxput) -' | wc -l)" "and start what it names"
	until_true 5 flock -n "$tmp/fyke-gas" true
done <crontab
ok "a % would end a crontab's line" -- sh -c '! grep -q % crontab'

# Every section of the example configuration is read by its program without a mistake.
cp "$top/etc/fyke.conf.example" fyke.conf
chmod 644 fyke.conf
grep -o '^\[[a-z]*\]' fyke.conf | tr -d '[]' >sections
for p in merge timecheck dirsync writelog rotctl; do
	"$p" --config=fyke.conf --usage >/dev/null 2>err
	tap $? "the example configuration: $p" || diag <err
done
is "$(grep -vxE 'paths|writelog|rotctl|merge|timecheck|dirsync' sections)" "" "has no other sections"
"$top/scripts/start_merge" --config=fyke.conf 20050621 >/dev/null 2>err
like err '= /[a-z0-9/]*: no such folder' "its [paths] are understood: only the folders are not here"

ok "the dashboard is JSON" -- /usr/bin/python3 -c "import json; json.load(open('$top/etc/grafana/slow-control.json'))"
/usr/bin/python3 - "$top/etc/grafana/slow-control.json" >asked <<'END'
import json, re, sys
for p in json.load(open(sys.argv[1]))["panels"]:
    for t in p["targets"]:
        print(*re.findall(r'mean\("(\w+)"\) FROM "(\w+)"', t["query"])[0])
END
# Between two readings there is no value where the interval is finer than the period.
ok "and joins its points when you look closely" -- /usr/bin/python3 -c "import json
for p in json.load(open('$top/etc/grafana/slow-control.json'))['panels']:
    assert p['interval'] == '10s' and p['fieldConfig']['defaults']['custom']['spanNulls'] == 60000"
printf '295.42;96731;42.10;51234\n' | gasread -f - -O json --tag location=hut >gas 2>/dev/null
awk '$2 == "gas" { print $1 }' asked >fields
while read -r field; do
	like gas "\"$field\":" "its panel asks for gas $field, which gasread writes"
done <fields
done_testing
