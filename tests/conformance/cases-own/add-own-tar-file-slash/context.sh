python3 - <<'P'
import tarfile,io
t=tarfile.open('t.tar','w',format=tarfile.USTAR_FORMAT)
i=tarfile.TarInfo('f/'); i.size=2; t.addfile(i,io.BytesIO(b'1\n'))
t.close()
P
