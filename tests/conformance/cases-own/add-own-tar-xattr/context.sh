python3 - <<'P'
import tarfile,io
t=tarfile.open('x.tar','w',format=tarfile.PAX_FORMAT)
i=tarfile.TarInfo('f'); i.size=1; i.mtime=0; i.pax_headers={'SCHILY.xattr.security.capability':'\x01\x00\x00\x02\x00\x04'+'\x00'*14}; t.addfile(i,io.BytesIO(b'1')); t.close()
P
