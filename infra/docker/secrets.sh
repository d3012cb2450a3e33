#!/bin/sh
# Makes the passwords that docker-compose.yml hands to its services, in infra/docker/secrets or in the folder named as
# argument. Those that exist stay.
# Containers run as other users than yours, so the files are readable and the folder that holds them is not.
set -eu
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 0700 "$folder"
cd "$folder"
printf '*\n' >.gitignore

random() { head -c 24 /dev/urandom | base64 | tr '+/' 'ab' | tr -d '\n'; }

put() {
  [ -s "$1" ] || printf '%s' "$2" >"$1"
  chmod 0644 "$1"
}

for user in admin interceptor masker detector archiver query subscriber operator; do
  put "kafka-$user" "$(random)"
done
put s3-user "$(random)"
put s3-password "$(random)"
put aws-credentials "[default]
aws_access_key_id = $(cat s3-user)
aws_secret_access_key = $(cat s3-password)
"
echo "$folder is complete" >&2
