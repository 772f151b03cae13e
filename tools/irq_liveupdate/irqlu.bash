# SPDX-License-Identifier: GPL-2.0-only
# bash completion for irqlu

_irqlu()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local commands="list show check audit watch save diff affinity report"
	local options="--json --output --noheadings --next-kernel --command-line --help"

	case $prev in
	show | check)
		mapfile -t COMPREPLY < <(compgen -W "$(irqlu --noheadings -o bdf list 2>/dev/null)" -- "$cur")
		;;
	affinity)
		mapfile -t COMPREPLY < <(compgen -W "save restore" -- "$cur")
		;;
	save | diff | restore | --next-kernel)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "$commands $options" -- "$cur")
		;;
	esac
}

complete -F _irqlu irqlu
