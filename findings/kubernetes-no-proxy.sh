#!/bin/sh
# kubernetes 35.0.0 (PyPI): NO_PROXY is read, and then thrown away.
#
# Guess: like kubectl and requests, the client goes to a cluster that NO_PROXY names without the proxy of HTTPS_PROXY.
# Seen:  35.0.0 takes the proxy and keeps nothing of NO_PROXY: `https://10.0.0.1:6443 ProxyManager None`.
#        36.0.3 goes directly: `https://10.0.0.1:6443 PoolManager 10.0.0.0/8`.
# Way out in 35: set `no_proxy` of the Configuration after it is made (kubernetes.core: K8S_AUTH_NO_PROXY).
# Nothing is connected to: which pool the client makes shows where it would go.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cat >"$place/kubeconfig" <<'YAML'
apiVersion: v1
kind: Config
clusters: [{name: school, cluster: {server: "https://10.0.0.1:6443"}}]
users: [{name: ana, user: {token: none}}]
contexts: [{name: school, context: {cluster: school, user: ana}}]
current-context: school
YAML
cat >"$place/ask.py" <<'PY'
import sys

from kubernetes import client, config

configuration = client.Configuration()
config.load_kube_config(sys.argv[1], client_configuration=configuration)
pool = client.rest.RESTClientObject(configuration).pool_manager
print(configuration.host, type(pool).__name__, configuration.no_proxy)
PY

seen() {
  python3 -m venv "$place/$1"
  "$place/$1/bin/pip" install -q --disable-pip-version-check "kubernetes==$1"
  env -u http_proxy -u https_proxy -u no_proxy HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=10.0.0.0/8 \
    "$place/$1/bin/python" "$place/ask.py" "$place/kubeconfig"
}

failed=0
expect() {
  answer=$(seen "$1")
  echo "kubernetes $1: $answer"
  [ "$answer" = "$2" ] || { echo "expected: $2"; failed=1; }
}
expect 35.0.0 'https://10.0.0.1:6443 ProxyManager None'
expect 36.0.3 'https://10.0.0.1:6443 PoolManager 10.0.0.0/8'
exit $failed
