mkdir -p dir/sub
for f in a.txt b.txt dir/x.txt dir/.hidden dir/sub/y.txt; do echo "$f" > "$f"; done
head -c 200000 /dev/zero > big; tar -cf y.tar big; head -c 100000 y.tar > x.tar; rm y.tar big
