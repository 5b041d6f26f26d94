#!/bin/sh
# Bring a version to a cluster, or back: migrate, then replace every workload and wait for it.
# usage: sh deploy/release.sh OVERLAY IMAGE      such as: staging registry.example.com/tollgate@sha256:…
set -eu
cd "$(dirname "$0")/.."

if [ $# -ne 2 ] || [ ! -d "deploy/kubernetes/overlays/$1" ]; then
    echo "usage: sh deploy/release.sh OVERLAY IMAGE; the overlays are:" >&2
    ls deploy/kubernetes/overlays >&2
    exit 2
fi

manifests=$(mktemp)
trap 'rm -f "$manifests"' EXIT
component=app.kubernetes.io/component

kubectl kustomize "deploy/kubernetes/overlays/$1" > "$manifests"
# A pod reads its ConfigMaps when it starts: with other settings it has to be another pod.
checksum=$(awk 'BEGIN { RS = "---\n" } /kind: ConfigMap/' "$manifests" | sha256sum | cut -c1-16)
sed -i -e "s|^\( *image: \).*/tollgate:.*|\1$2|" \
    -e "s|^\( *tollgate/settings-checksum: \).*|\1\"$checksum\"|" "$manifests"
namespace=$(sed -n 's/^  namespace: //p' "$manifests" | sort -u)

echo "Namespace, settings and network policies …"
kubectl apply -f "$manifests" -l "!$component"

echo "Migrations …"
kubectl -n "$namespace" delete job migrate --ignore-not-found
kubectl apply -f "$manifests" -l "$component=migrate"
while :; do  # the job has a deadline of its own, after which it has failed
    ended=$(kubectl -n "$namespace" get job migrate \
        -o 'jsonpath={.status.conditions[?(@.status=="True")].type}')
    case $ended in
        *Complete*) break ;;
        *Failed*)
            kubectl -n "$namespace" logs job/migrate --tail=100 >&2 || true
            echo "The migration has failed; nothing was replaced." >&2
            exit 1 ;;
    esac
    sleep 2
done

echo "Everything else …"
kubectl apply -f "$manifests" -l "$component,$component!=migrate"
kubectl -n "$namespace" get deployments -o name | while read -r deployment; do
    kubectl -n "$namespace" rollout status "$deployment" --timeout=10m
done
