# shellcheck shell=sh
# Sourced by sh before it runs anything of the lab's: what a person exported for something else stays out of it.
# The Makefile's commands, the Python of the modules, what brings packages and the lab's psql all begin with it.
# LAB_SETS names the variables that whoever started this has set on purpose.

for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
  case " ${LAB_SETS-} " in *" $name "*) continue ;; esac
  case $name in
    # A connection is the lab's own, whole: host, login, options, time zone. How psql shows things is a person's.
    PG_COLOR | PG_COLORS) ;;
    PG[A-Z]* | PSYCOPG_* | K8S_AUTH_*) unset "$name" ;;
    # A Python is the lab's own, whole.
    PYTHON?* | VIRTUAL_ENV) unset "$name" ;;
    # Where packages come from is a person's; where they go, and which, is not.
    PIP_*INDEX* | PIP_FIND_LINKS | PIP_TRUSTED_HOST | PIP_*CERT | PIP_PROXY | PIP_*TIMEOUT | PIP_*RETRIES) ;;
    PIP_*CACHE_DIR | PIP_CONFIG_FILE | PIP_KEYRING_PROVIDER) ;;
    UV_*INDEX* | UV_FIND_LINKS | UV_INSECURE_HOST | UV_*CERT* | UV_*TIMEOUT | UV_*RETRIES | UV_CONCURRENT_*) ;;
    UV_*CACHE* | UV_CONFIG_FILE | UV_KEYRING_PROVIDER | UV_LINK_MODE) ;;
    PIP_* | UV_*) unset "$name" ;;
    # How Ansible looks and how it logs in is a person's; where it finds things and what it does is not.
    ANSIBLE_CONFIG | ANSIBLE_HOME | ANSIBLE_*COLOR* | ANSIBLE_*COW* | ANSIBLE_*CALLBACK* | ANSIBLE_DISPLAY_*) ;;
    ANSIBLE_VERBOSITY | ANSIBLE_DEBUG | ANSIBLE_LOG_PATH | ANSIBLE_FORKS | ANSIBLE_*TIMEOUT | ANSIBLE_PIPELINING) ;;
    ANSIBLE_SSH_* | ANSIBLE_HOST_KEY_CHECKING | ANSIBLE_*KEY_FILE | ANSIBLE_REMOTE_* | ANSIBLE_LOCAL_TEMP) ;;
    ANSIBLE_VAULT_* | ANSIBLE_ASK_* | ANSIBLE_*_ASK_PASS | ANSIBLE_KEEP_REMOTE_FILES) ;;
    ANSIBLE_*) unset "$name" ;;
    # The shell's own traps: `cd` goes elsewhere, every bash reads a file first.
    CDPATH | BASH_ENV | ENV | POSIXLY_CORRECT) unset "$name" ;;
  esac
done
unset name

[ -d "${TMPDIR:-/}" ] || unset TMPDIR

# The lab's own addresses are behind no proxy, nor is a Minikube: each of its profiles has the next free network of these.
if [ -n "${http_proxy-}${HTTP_PROXY-}${https_proxy-}${HTTPS_PROXY-}${all_proxy-}${ALL_PROXY-}" ]; then
  no_proxy=${no_proxy:-${NO_PROXY-}}
  direct=localhost,127.0.0.1,::1,192.168.0.0/16
  case ,$no_proxy, in *",$direct,"*) ;; *) no_proxy=${no_proxy:+$no_proxy,}$direct ;; esac
  unset direct
  NO_PROXY=$no_proxy K8S_AUTH_NO_PROXY=$no_proxy
  export no_proxy NO_PROXY K8S_AUTH_NO_PROXY
fi

# Ansible and Python want UTF-8. A locale that is not there makes `locale` complain, and none that it names is of use.
case $(locale charmap 2>&1) in
  UTF-8) ;;
  *)
    case $(uname) in Darwin) LC_ALL=en_US.UTF-8 ;; *) LC_ALL=C.UTF-8 ;; esac
    export LC_ALL
    ;;
esac

# For what brings packages: uv goes where pip goes and trusts what pip trusts, by variable or by file (pip.conf). $1 is a Python with pip.
package_environment() {
  pip_settings=$("$1" -m pip config list 2>/dev/null) || pip_settings=
  export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-$(pip_setting index-url)}}"
  export UV_INDEX="${UV_INDEX:-${UV_EXTRA_INDEX_URL:-$(pip_setting extra-index-url)}}"
  export UV_INSECURE_HOST="${UV_INSECURE_HOST:-$(pip_setting trusted-host)}"
  export HTTPS_PROXY="${HTTPS_PROXY:-${https_proxy:-$(pip_setting proxy)}}"
  # In the order of pip, whose library puts these two first; then what OpenSSL and uv read, then the system's own store.
  certificates=${REQUESTS_CA_BUNDLE:-${CURL_CA_BUNDLE:-$(pip_setting cert)}}
  certificates=${certificates:-${SSL_CERT_FILE-}}
  if [ -d "$certificates" ]; then
    export PIP_CERT="$certificates" SSL_CERT_DIR="$certificates"
  elif [ -n "$certificates" ]; then
    export PIP_CERT="$certificates" SSL_CERT_FILE="$certificates"
  else
    export UV_SYSTEM_CERTS=1
    for certificates in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
      if [ -f "$certificates" ]; then export PIP_CERT="$certificates" && break; fi
    done
  fi
  for name in UV_DEFAULT_INDEX UV_INDEX UV_INSECURE_HOST HTTPS_PROXY; do
    eval "[ -n \"\$$name\" ]" || unset "$name"
  done
}

# A setting of pip's by its name, of a variable first, then of a file, its own command's first.
pip_setting() {
  for section in :env: install global; do
    setting=$(printf '%s\n' "$pip_settings" | sed -n "/^$section\.$1='/{s/^[^']*'//; s/'\$//; s/\\\\n/ /g; s/^ //; p;}")
    if [ -n "$setting" ]; then echo "$setting" && return; fi
  done
}

# What helps where packages could not be brought: $1 is what was said.
package_advice() {
  case $1 in
    *[Cc]ertificate* | *CERTIFICATE* | *SSLError*)
      echo 'the certificate of the package index is not trusted here. Where a school or a firm signs with a root of its own, name' \
        'its file and run this again: export PIP_CERT=/path/to/root.pem'
      ;;
    *)
      echo 'is a package index reachable? Behind a proxy: export HTTPS_PROXY=http://proxy:3128; with a mirror: export' \
        'PIP_INDEX_URL=https://mirror/simple; without a network: make lab BUNDLE=file, which make bundle writes where there is one'
      ;;
  esac
}
