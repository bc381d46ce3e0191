#!/bin/sh
# Makes the certificates the TLS tests use, valid for a hundred years so that no test ends by the calendar. Run here, once;
# the files are committed, and the tests need no openssl. The keys protect nothing.
set -eu
cd "$(dirname "$0")"
days=36500

# authority NAME COMMON-NAME: NAME.pem and NAME.key, which sign others.
authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days $days -subj "/CN=$2" -keyout "$1.key" -out "$1.pem"
}

# certificate NAME COMMON-NAME AUTHORITY SUBJECT-ALT-NAMES: NAME.pem and NAME.key.
certificate() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$1.csr"
  printf 'basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n%s' "${4:+subjectAltName=$4}" > "$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$3.pem" -CAkey "$3.key" -CAcreateserial -days $days -extfile "$1.ext" -out "$1.pem"
  rm "$1.csr" "$1.ext" "$3.srl"
}

authority ca "Flare test authority"
authority stranger_ca "Another authority"
certificate node node ca "DNS:localhost,IP:127.0.0.1,IP:::1"
certificate renewed renewed ca "DNS:localhost,IP:127.0.0.1,IP:::1"
certificate elsewhere elsewhere ca "DNS:elsewhere.example"
certificate operator operator ca ""
certificate stranger operator stranger_ca ""
cat node.pem node.key > node_with_key.pem

# One whose time is over: the first seconds of the year 2000, which `openssl ca` can say and `openssl x509` cannot.
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=expired" -keyout expired.key -out expired.csr
: > index.txt
echo 01 > serial
cat > ca.cnf <<'CONFIG'
[ca]
default_ca = here
[here]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
[any]
commonName = supplied
[server]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth,clientAuth
subjectAltName = DNS:localhost,IP:127.0.0.1
CONFIG
openssl ca -batch -notext -config ca.cnf -extensions server -in expired.csr -cert ca.pem -keyfile ca.key \
  -startdate 20000101000000Z -enddate 20000102000000Z -out expired.pem
rm -f expired.csr ca.cnf index.txt* serial* 01.pem
