#!/bin/sh
# Makes the broker's certificate and formats its storage with its users on the first start, then becomes the broker.
# One user per file /run/secrets/kafka-NAME, which holds the password; they exist from the first start on.
set -eu
umask 077

bin=${KAFKA_BIN:-/opt/kafka/bin}
template=${KAFKA_TEMPLATE:-/etc/muniment/server.properties}
secrets=${KAFKA_SECRETS:-/run/secrets}
config=${KAFKA_CONFIG:-/tmp/server.properties}

setting() { sed -n "s/^$1=//p" "$template"; }

store=$(setting ssl.keystore.location)
certificate=$(setting ssl.truststore.location)
log=$(setting log.dirs)
administrator=$secrets/kafka-admin
password=$(cat "$administrator")

if [ ! -s "$store" ]; then
  rm -f "$store.new"
  keytool -genkeypair -alias kafka -keyalg EC -groupname secp256r1 -validity 825 -dname CN=kafka \
    -ext SAN=dns:kafka,dns:localhost,ip:127.0.0.1 -ext EKU=serverAuth,clientAuth \
    -storetype PKCS12 -keystore "$store.new" -storepass:file "$administrator"
  mv "$store.new" "$store"
fi
keytool -exportcert -rfc -alias kafka -keystore "$store" -storepass:file "$administrator" -file "$certificate"
chmod 0644 "$certificate"

login='org.apache.kafka.common.security.scram.ScramLoginModule required'
{
  cat "$template"
  echo "ssl.keystore.password=$password"
  for listener in internal host; do
    echo "listener.name.$listener.scram-sha-512.sasl.jaas.config=$login username=\"admin\" password=\"$password\";"
  done
} >"$config"

if [ ! -s "$log/meta.properties" ]; then
  # Kafka takes an id with a leading dash for an option.
  cluster=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' | sed 's/^-/A/')
  set -- format -t "$cluster" -c "$config"
  for file in "$secrets"/kafka-*; do
    set -- "$@" --add-scram "SCRAM-SHA-512=[name=${file##*/kafka-},password=$(cat "$file")]"
  done
  # What it prints contains the verifiers of the passwords, which do not belong in a log.
  "$bin/kafka-storage.sh" "$@" >/dev/null
fi

exec "$bin/kafka-server-start.sh" "$config"
