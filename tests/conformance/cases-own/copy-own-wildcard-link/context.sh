ln -s dir l
