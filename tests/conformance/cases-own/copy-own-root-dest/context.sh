mkdir -p dir/sub
for f in a.txt b.txt dir/x.txt dir/.hidden dir/sub/y.txt; do echo "$f" > "$f"; done
mkdir -p r/etc/conf.d r/opt; echo n > r/etc/conf.d/n.conf; echo o > r/opt/o; chmod 700 r/opt
