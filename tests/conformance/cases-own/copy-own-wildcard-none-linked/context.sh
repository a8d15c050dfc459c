mkdir -p dir other/sub; echo a > dir/a.txt; echo b > other/sub/b.txt; ln -s other data
