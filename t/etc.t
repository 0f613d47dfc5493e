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

# Every section of the example configuration is read by its program without a mistake.
cp "$top/etc/fyke.conf.example" fyke.conf
chmod 644 fyke.conf
grep -o '^\[[a-z]*\]' fyke.conf | tr -d '[]' >sections
for p in merge timecheck dirsync; do
	"$p" --config=fyke.conf --usage >/dev/null 2>err
	tap $? "the example configuration: $p" || diag <err
done
is "$(grep -vxE 'paths|writelog|merge|timecheck|dirsync' sections)" "" "has no other sections"
"$top/scripts/start_merge" --config=fyke.conf 20050621 >/dev/null 2>err
like err '= /[a-z0-9/]*: no such folder' "its [paths] are understood: only the folders are not here"

ok "the dashboard is JSON" -- /usr/bin/python3 -c "import json; json.load(open('$top/etc/grafana/slow-control.json'))"
/usr/bin/python3 - "$top/etc/grafana/slow-control.json" >asked <<'END'
import json, re, sys
for p in json.load(open(sys.argv[1]))["panels"]:
    for t in p["targets"]:
        print(*re.findall(r'mean\("(\w+)"\) FROM "(\w+)"', t["query"])[0])
END
printf '295.42;96731;42.10;51234\n' | gasread -f - -O json --tag location=hut >gas 2>/dev/null
awk '$2 == "gas" { print $1 }' asked >fields
while read -r field; do
	like gas "\"$field\":" "its panel asks for gas $field, which gasread writes"
done <fields
done_testing
