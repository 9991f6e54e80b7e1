#!/usr/bin/env python3
# Decrypts the vault's rows without our code: vault.py KEYFILE DATABASE|LINES
# LINES holds "name ciphertext" a line; prints "name plaintext-in-hex".
import base64, sqlite3, struct, sys
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

dek = base64.b64decode(open(sys.argv[1]).read().strip(), validate=True)
kid = HKDF(hashes.SHA256(), 8, None, b"tappass kid v1").derive(dek)
kid = base64.b32encode(kid).decode().lower().rstrip("=")
if open(sys.argv[2], "rb").read(6) == b"SQLite":
    rows = sqlite3.connect("file:%s?mode=ro" % sys.argv[2], uri=True).execute(
        "SELECT id, value FROM state WHERE kind = 2 ORDER BY id")
else:
    rows = [line.split() for line in open(sys.argv[2])]
for name, text in rows:
    name, text = [x.decode() if type(x) is bytes else x for x in (name, text)]
    v1, k, b = text.split(":")
    assert (v1, k) == ("v1", kid), "another key"
    b = base64.urlsafe_b64decode(b + "=" * (-len(b) % 4))
    okm = HKDFExpand(hashes.SHA256(), 48, b"tappass rec v1" + b[16:48]).derive(dek)
    assert okm[32:] == b[:16], "commitment"
    aad = b"".join(struct.pack(">I", len(f)) + f for f in (b"tappass-vault", b"v1",
        kid.encode(), b"vault", struct.pack(">I", 1), name.encode(), b"value"))
    print(name, AESGCM(okm[:32]).decrypt(b[48:60], b[60:], aad).hex())
