# bash completion for ftlite; made by scripts/generate.py
_ftlite() {
    local cur prev command words subs member word
    cur="${COMP_WORDS[COMP_CWORD]}"
    prev="${COMP_WORDS[COMP_CWORD-1]}"
    command="${COMP_WORDS[1]}"
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "serve user shell batch get mget put mirror mput ls stat cat hash wait rm mkdir rmdir mv doctor bookmark trust password chmod touch find du --help --version $(sed -n 's/^\[\([A-Za-z0-9_.-]*\)\]$/\1:/p' "${XDG_CONFIG_HOME:-$HOME/.config}/ftlite/sites.toml" 2>/dev/null)" -- "$cur"))
        return
    fi
    case "$prev" in
        --algorithm) COMPREPLY=($(compgen -W "sha256 sha512 blake3 crc32 md5" -- "$cur")); return ;;
        --dialect) COMPREPLY=($(compgen -W "stock native" -- "$cur")); return ;;
        --digest) COMPREPLY=($(compgen -W "sha256 blake3" -- "$cur")); return ;;
        --links) COMPREPLY=($(compgen -W "auto follow skip keep" -- "$cur")); return ;;
        --log-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
        --require) COMPREPLY=($(compgen -W "digest size none" -- "$cur")); return ;;
        --tls) COMPREPLY=($(compgen -W "off optional required" -- "$cur")); return ;;
        --type) COMPREPLY=($(compgen -W "f d l" -- "$cur")); return ;;
    esac
    case "$command" in
        "user") subs="add passwd rm ls" ;;
        "bookmark") subs="ls add rm mv" ;;
        "trust") subs="ls add rm" ;;
        "password") subs="set rm" ;;
    esac
    case "$command" in
        "serve") words="--listen --implicit --user --password-file --anonymous --tls --cert --key --config --state-dir --passive-ports --passive-address --drain --log-format --allow-root --help" ;;
        "user") words="--help" ;;
        "shell") words="--parallel --limit-rate --require --digest --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
        "batch") words="--parallel --limit-rate --require --digest --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
        "get") words="--recursive --dry-run --continue --parallel --include --exclude --files-from --from0 --limit-rate --require --digest --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --wait --merge --replace --help" ;;
        "mget") words="--into --recursive --dry-run --continue --parallel --include --exclude --files-from --from0 --limit-rate --require --digest --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
        "put") words="--recursive --dry-run --continue --parallel --include --exclude --files-from --from0 --limit-rate --require --digest --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --if-absent --expect --merge --replace --failed --help" ;;
        "mirror") words="--dry-run --continue --parallel --include --exclude --files-from --from0 --limit-rate --require --digest --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --delete --checksum --links --max-errors --exit-unchanged --reverse --help" ;;
        "mput") words="--into --recursive --dry-run --continue --parallel --include --exclude --files-from --from0 --limit-rate --require --digest --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
        "ls") words="--recursive --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
        "stat") words="--quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
        "cat") words="--limit-rate --require --digest --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
        "hash") words="--algorithm --recursive --parallel --limit-rate --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
        "wait") words="--quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --timeout --since --any --help" ;;
        "rm") words="--recursive --dry-run --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
        "mkdir") words="--parents --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
        "rmdir") words="--quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
        "mv") words="--quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
        "doctor") words="--write --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
        "bookmark") words="--help" ;;
        "trust") words="--help" ;;
        "password") words="--help" ;;
        "chmod") words="--recursive --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
        "touch") words="--time --no-create --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
        "find") words="--name --type --size --newer --older --null --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
        "du") words="--summarize --quiet --verbose --json --port --tls --cacert --pin --accept-new --password-file --password-command --netrc-file --keyring --proxy --connect-timeout --stall-timeout --max-time --dialect --retries --help" ;;
    esac
    if [ -n "$subs" ]; then
        if [ "$COMP_CWORD" -eq 2 ]; then
            COMPREPLY=($(compgen -W "$subs" -- "$cur"))
            return
        fi
        member="$command ${COMP_WORDS[2]}"
        case "$member" in
        "user add") words="--root --home --allow --password-file --generate --state-dir --config --help" ;;
        "user passwd") words="--password-file --generate --state-dir --config --help" ;;
        "user rm") words="--state-dir --config --help" ;;
        "user ls") words="--json --state-dir --config --help" ;;
        "bookmark ls") words="--json --help" ;;
        "bookmark add") words="--local --replace --help" ;;
        "bookmark rm") words="--help" ;;
        "bookmark mv") words="--help" ;;
        "trust ls") words="--json --help" ;;
        "trust add") words="--help" ;;
        "trust rm") words="--help" ;;
        "password set") words="--help" ;;
        "password rm") words="--help" ;;
        esac
    fi
    if [[ "$cur" == -* ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
    else
        COMPREPLY=($(compgen -f -W "$(sed -n 's/^\[\([A-Za-z0-9_.-]*\)\]$/\1:/p' "${XDG_CONFIG_HOME:-$HOME/.config}/ftlite/sites.toml" 2>/dev/null)" -- "$cur"))
    fi
}
complete -o filenames -F _ftlite ftlite
