/** What `drover completion SHELL` prints. The shell's own words are kept whole where it would break them at = and /. */
const BASH = `# drover completion for bash: source <(drover completion bash)
_drover() {
  local line="\${COMP_LINE:0:COMP_POINT}" words current cut value note
  read -r -a words <<<"$line"
  [[ "$line" == *' ' ]] && words+=('')
  current="\${words[\${#words[@]}-1]}"
  # readline replaces only what stands behind the last word break.
  cut=''
  [[ "$COMP_WORDBREAKS" == *=* && "$current" == *=* ]] && cut="\${current%=*}="
  COMPREPLY=()
  while IFS=$'\\t' read -r value note; do
    COMPREPLY+=("\${value#"$cut"}")
  done < <(drover __complete "\${words[@]:1}" 2>/dev/null)
  [[ \${#COMPREPLY[@]} -eq 1 && "\${COMPREPLY[0]}" == *[=/] ]] && compopt -o nospace
}
complete -F _drover drover`;

const ZSH = `#compdef drover
# drover completion for zsh: source <(drover completion zsh)
_drover() {
  local -a found
  local value note
  while IFS=$'\\t' read -r value note; do
    found+=("\${value//:/\\\\:}\${note:+:$note}")
  done < <(drover __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe 'drover' found -S ''
}
compdef _drover drover`;

const FISH = `# drover completion for fish: drover completion fish | source
function __drover_complete
  set -l words (commandline -opc) (commandline -ct)
  drover __complete $words[2..-1] 2>/dev/null
end
complete -c drover -f -a '(__drover_complete)'`;

export const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
