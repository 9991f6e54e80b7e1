#!/usr/bin/env python3
# Decrypts the vault's rows without our code: vault.py KEYFILE DATABASE|LINES
# LINES holds "name ciphertext" a line; prints "name plaintext-in-hex".
import base64, sqlite3, struct, sys
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

def kid(dek):
    return base64.b32encode(HKDF(hashes.SHA256(), 8, None, b"tappass kid v1").derive(dek)).decode().lower().rstrip("=")
def unseal(name, text):
    v1, *k, b = text.split(":")
    assert v1 == "v1"
    if k == []:  # the legacy form
        b = base64.b64decode(b, validate=True)
        return AESGCM(current).decrypt(b[:12], b[12:], None)
    b = base64.urlsafe_b64decode(b + "=" * (-len(b) % 4))
    okm = HKDFExpand(hashes.SHA256(), 48, b"tappass rec v1" + b[16:48]).derive(keys[k[0]])
    assert okm[32:] == b[:16], "commitment"
    aad = b"".join(struct.pack(">I", len(f)) + f for f in (b"tappass-vault", b"v1",
        k[0].encode(), b"vault", struct.pack(">I", 1), name.encode(), b"value"))
    return AESGCM(okm[:32]).decrypt(b[48:60], b[60:], aad)

current = base64.b64decode(open(sys.argv[1]).read().strip(), validate=True)
keys = {kid(current): current}
if open(sys.argv[2], "rb").read(6) == b"SQLite":
    rows = sqlite3.connect("file:%s?mode=ro" % sys.argv[2], uri=True).execute(
        "SELECT CAST(id AS TEXT), CAST(value AS TEXT) FROM state WHERE kind IN (2, 128) ORDER BY kind, id").fetchall()
else:
    rows = [line.split() for line in open(sys.argv[2])]
for name, text in sorted(rows, key=lambda r: not r[0].startswith("dek/")):
    plain = unseal(name, text)
    if name.startswith("dek/"):
        keys[name[4:]] = plain
    print(name, plain.hex())
