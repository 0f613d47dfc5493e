# install.t - make install puts everything in its place, finds its cards there, and goes away again
. "${0%/*}/lib.sh"
unset FYKE_CARDS
B=${FYKE_BUILD##*/}
install() { make -s -C "$top" B="$B" PREFIX=/opt/fyke DESTDIR="$tmp/root" "$@"; }

ok "make install" -- install install
bin=$tmp/root/opt/fyke/bin
for p in "$top"/bin/*.c; do
	p=$(basename "$p" .c)
	[ -x "$bin/$p" ] && [ -e "$tmp/root/opt/fyke/share/man/man1/$p.1" ]
	tap $? "$p and its page"
done
ok "an installed program runs" -- "$bin/evbuild" --list
like out '^chec ' "and finds the installed cards"
[ -x "$bin/quicklook" ]
tap $? "quicklook is there"
for p in start_tel_util start_merge remerge; do
	ok "$p runs there" -- "$bin/$p" --help
done
"$bin/start_merge" --config=nothing 20050621 2>err
like err '^start_merge: nothing: cannot be read' "with what it sources"
ok "make uninstall" -- install uninstall
is "$(find "$tmp/root" -type f)" "" "leaves nothing behind"
done_testing
