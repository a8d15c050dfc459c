mkdir -p dir/sub
for f in a.txt b.txt dir/x.txt dir/.hidden dir/sub/y.txt; do echo "$f" > "$f"; done
echo 1 > f; tar --mtime=@1 --owner=0 --group=0 --numeric-owner -cf x.tar f; rm f
