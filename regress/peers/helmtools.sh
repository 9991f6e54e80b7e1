#!/bin/sh
# SPDX-License-Identifier: ISC
# helmtools.sh DIR: helm and kubeconform as Go tools in DIR/bin, and the schemas
# of Kubernetes' kinds in DIR/schemas, made from the OpenAPI document that comes
# with kubectl's module, which helm is built from.  DIR/.done when all stand.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ ! -e "$1/.done" ] || exit 0
command -v go >/dev/null || { echo "no go compiler" >&2; exit 1; }
mkdir -p "$1"
cd "$1"
GOFLAGS=-buildvcs=false
export GOFLAGS
if [ ! -x bin/helm ] || [ ! -x bin/kubeconform ]; then
	[ -f go.mod ] || go mod init peer.test/helm
	go get -tool helm.sh/helm/v3/cmd/helm@v3.19.5 \
	    github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0
	GOBIN=$PWD/bin go install helm.sh/helm/v3/cmd/helm \
	    github.com/yannh/kubeconform/cmd/kubeconform
fi
kubectl=$(go list -m -f '{{.Dir}}' k8s.io/kubectl)
rm -rf schemas
python3 "$here/schemas.py" "$kubectl/testdata/openapi/swagger.json" schemas
touch .done
