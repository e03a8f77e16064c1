#!/usr/bin/env bash
# Scores of three videos for one user: ask.sh [ADDRESS] [MODEL]
set -euo pipefail
address=${1:-http://127.0.0.1:8080} model=${2:-bundle}
curl --silent --show-error --fail-with-body "$address/v2/models/$model/infer" \
  --header "Content-Type: application/json" --data-binary "@$(dirname "$0")/request.json"
echo
