mkdir -p dir/sub
for f in a.txt b.txt dir/x.txt dir/.hidden dir/sub/y.txt; do echo "$f" > "$f"; done
mkdir m; for x in 600 640 755 4755 2755 1777; do echo $x > m/$x; chmod $x m/$x; done; mkdir m/dd; chmod 1777 m/dd
