mkdir d
echo one > d/one
echo two > d/two
touch -d @1600000000 d/one d/two d
tar --owner=0 --group=0 -cf same.tar d
echo three > d/two
touch -d @1600000001 d/two
touch -d @1600000000 d
tar --owner=0 --group=0 -cf more.tar d
rm -r d
