echo 1 > a; printf '%s\n' 'dir\e' > .dockerignore
