mkdir dir; echo 1 > dir/file; echo 2 > dirfile; echo 3 > v1.txt; echo 4 > vd.txt; echo 5 > .env; echo 6 > 'a*'; echo 7 > ab
printf '%s\n' 'dir\file' 'v\d.txt' '\.env' 'a\*' > .dockerignore
