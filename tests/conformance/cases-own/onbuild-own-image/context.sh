echo ob > onbuild.txt
