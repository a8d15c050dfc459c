mkdir -p dir/sub
for f in a.txt b.txt dir/x.txt dir/.hidden dir/sub/y.txt; do echo "$f" > "$f"; done
ln -s x.txt dir/l1; ln -s /etc/passwd dir/l2; ln -s sub dir/l3; ln -s gone dir/l4
