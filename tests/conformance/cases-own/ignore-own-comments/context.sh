mkdir -p dir/sub
for f in a.txt b.txt dir/x.txt dir/.hidden dir/sub/y.txt; do echo "$f" > "$f"; done
printf "# c\n\n/a.txt\ndir/sub/\n  b.txt  \n" > .dockerignore
