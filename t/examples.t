# examples.t - the EXAMPLES of the pages that are marked `.\" run` do what they say
. "${0%/*}/lib.sh"

# Commands of a page: each .Dl line, or line of a .Bd block, after a line `.\" run`; a line that ends
# in a backslash goes on in the next. roff escapes undone.
commands() {
	awk '
		/^\.\\" run/ { run = 1; next }
		run && /^\.Dl / { sub(/^\.Dl /, ""); print; run = 0; next }
		run && /^\.Bd/ { block = 1; run = 0; next }
		block && /^\.Ed/ { block = 0; next }
		block { sub(/^\$ /, ""); if (sub(/\\e$/, "")) printf "%s", $0; else print; next }
		!/^\.\\"/ { run = 0 }
	' "$1" | sed 's/\\&//g; s/\\-/-/g; s/\\(dq/"/g; s/\\(aq/'"'"'/g; s/\\ba/|/g; s/\\e/\\/g'
}

for page in "$top"/man1/*.1; do
	[ -e "$page" ] || continue
	name=$(basename "$page" .1)
	commands "$page" >"$tmp/$name.sh"
	[ -s "$tmp/$name.sh" ] || continue
	mkdir "$tmp/$name"
	n=0
	while IFS= read -r line; do
		n=$((n + 1))
		# Exit 5 is a good end too: an example may show how loss is told.
		(cd "$tmp/$name" && PATH=$top/scripts:$PATH sh -c "$line" <"/dev/null" >>"$tmp/out" 2>"$tmp/err")
		rc=$?
		[ $rc -eq 0 ] || [ $rc -eq 5 ]
		tap $? "$name: $line" || { echo "exit $rc" | diag; diag <"$tmp/err"; }
	done <"$tmp/$name.sh"
done
done_testing
