#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""schemas.py SWAGGER DIR: one JSON schema for each kind, for kubeconform.

Strict: a member that a kind does not have is an error, so that a misspelt
security setting is not silently without effect.
"""
import json
import os
import sys


def strict(node, top=False):
    if isinstance(node, list):
        return [strict(n) for n in node]
    if not isinstance(node, dict):
        return node
    out = {k: strict(v) for k, v in node.items()}
    ref = out.get("$ref")
    if isinstance(ref, str):
        out = {"$ref": ref.replace("#/definitions/", "definitions.json#/")}
    if isinstance(out.get("properties"), dict) and \
            "additionalProperties" not in out:
        out["additionalProperties"] = False
    if out.get("format") == "int-or-string":
        out.pop("type", None)
        out["oneOf"] = [{"type": "string"}, {"type": "integer"}]
    return out


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        definitions = json.load(f)["definitions"]
    os.makedirs(sys.argv[2], exist_ok=True)
    quantity = "io.k8s.apimachinery.pkg.api.resource.Quantity"
    out = {k: strict(v) for k, v in definitions.items()}
    out[quantity] = {"oneOf": [{"type": "string"}, {"type": "number"}]}
    where = os.path.join(sys.argv[2], "definitions.json")
    text = json.dumps(out).replace('"definitions.json#/', '"#/')
    with open(where, "w", encoding="utf-8") as f:
        f.write(text)
    n = 0
    for name, d in definitions.items():
        for g in d.get("x-kubernetes-group-version-kind", []):
            parts = [g["kind"].lower(), g["group"].split(".")[0], g["version"]]
            file = "-".join(p for p in parts if p) + ".json"
            with open(os.path.join(sys.argv[2], file), "w",
                      encoding="utf-8") as f:
                json.dump({"$ref": "definitions.json#/" + name}, f)
            n += 1
    print("%d kinds" % n)


main()
