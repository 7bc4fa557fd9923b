#!/bin/sh
# test_commands.sh HONE DATA COMPLETE CHAT TOKENS: the program from outside, as TAP.
hone=$1 data=$2 complete=$3 chat=$4 tokens=$5
n=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_CACHE_HOME="$dir/cache"
model=$HOME/.cache/hone/models/SmolLM2-135M-Instruct.Q4_1.gguf

# ok NAME STATUS: one line of TAP.
ok() {
    n=$((n + 1))
    if [ "$2" = 0 ]; then echo "ok $n - $1"; else echo "not ok $n - $1"; fi
}
skip() {
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}
# fails NAME STATUS TEXT COMMAND...: exit status, and text on stderr with nothing on stdout.
fails() {
    name=$1 want=$2 text=$3
    shift 3
    "$@" >"$dir/out" 2>"$dir/err" </dev/null
    [ $? = "$want" ] && grep -q -- "$text" "$dir/err" && [ ! -s "$dir/out" ] &&
        [ "$(wc -l <"$dir/err")" = 1 ]
    ok "$name" $?
}
# says NAME TEXT COMMAND...: success, and text on stdout.
says() {
    name=$1 text=$2
    shift 2
    "$@" >"$dir/out" 2>"$dir/err" </dev/null && grep -qF -- "$text" "$dir/out"
    ok "$name" $?
}

says help_lists_commands 'answer a prompt' "$hone" --help
says version_is_printed 'hone ' "$hone" --version
for c in run pull list rm show plan tokens render dump doctor bench synth grammar serve; do
    says "help_of_$c" "usage: hone $c" "$hone" "$c" --help
done
says help_takes_a_command 'usage: hone show' "$hone" help show
fails unknown_command_is_usage 2 "unknown command 'frob'" "$hone" frob
fails unknown_option_is_usage 2 "unknown option '--frob'" "$hone" show --frob
fails unknown_option_is_named_behind_others 2 "unknown option '--frob'" "$hone" show "$data/models/llama.gguf" --frob
fails unknown_letter_is_named 2 "unknown option '-j'" "$hone" show x -jx
fails missing_value_is_named 2 "option '--ctx' needs a value" "$hone" plan x --ctx
fails value_of_a_flag_is_usage 2 "option '--json' takes no value" "$hone" show x --json=1
fails negative_number_is_usage 2 'option --threads: expected N from 0 on' "$hone" plan x --threads -1
fails negative_limit_is_usage 2 'option --n: expected N from -1 on' "$hone" run x -p y -n-2
fails huge_number_is_usage 2 "found '99999999999'" "$hone" plan x --ctx 99999999999
fails sampling_is_checked_before_the_model 2 'temperature: expected' "$hone" run x -p y --temp -1
fails empty_stop_is_usage 2 "option --stop: expected TEXT" "$hone" run x -p y --stop ''
fails bad_bias_is_usage 2 "option --logit-bias: expected ID=X" "$hone" run x -p y --logit-bias 5
fails two_prompts_are_usage 2 'not both' "$hone" run x -p y -f z
fails raw_has_no_system_prompt 2 'system needs the template' "$hone" run x -p y --raw --system z
fails logprobs_are_json 2 'logprobs needs --json' "$hone" run x -p y --logprobs 2
for spelling in -c64 '-c 64' --ctx=64 '--ctx 64' '--ct 64'; do
    # shellcheck disable=SC2086 # one or two words
    says "option_is_spelled_$(echo $spelling | tr ' ' _)" '"n_ctx":64,' "$hone" plan --json $spelling -- "$data/models/llama.gguf"
done
fails missing_argument_is_usage 2 'expected MODEL' "$hone" show
fails bad_number_is_usage 2 'option --threads: expected N' "$hone" plan x --threads many
fails missing_model_is_named 1 "nor a name in $dir/cache/hone/models; 'hone list'" "$hone" show nothing-here
fails pullable_model_is_named 1 "'hone pull hf:a/b' gets it" "$hone" show hf:a/b
fails error_is_one_plain_line 1 'open /a?b?\[31m' "$hone" show "$(printf '/a\nb\033[31m')"
printf 'GGUF\003\000\000\000' >"$dir/cut.gguf"
fails truncated_model_is_named 1 "hone: open $dir/cut.gguf: truncated" "$hone" show "$dir/cut.gguf"
fails empty_prompt_is_named 1 'prompt' "$hone" run "$data/models/llama.gguf"
fails model_without_tokenizer_says_so 1 'no tokenizer' "$hone" run "$data/models/llama.gguf" -p hi
fails unknown_pull_is_named 1 'pull nothing' "$hone" pull nothing
fails bad_hub_name_is_named 1 'expected hf:ORG/REPO' "$hone" pull hf:one
fails pull_without_python_says_what_to_do 1 'give a model by its path' env PATH=/nowhere "$hone" pull smollm2-135m-instruct
fails pull_needs_a_folder 1 "make folder /proc/no" env XDG_CACHE_HOME=/proc/no "$hone" pull hf:a/b:c.gguf
printf '{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}' >"$dir/s.json"
printf '{"items":{"uniqueItems":true}}' >"$dir/bad.json"
printf '"{\\"a\\": 1}"\n"{\\"a\\": x}"\n"{\\"a\\": 1"\n' >"$dir/texts.jsonl"
says grammar_compiles '{"ok":true,"states":' "$hone" grammar --schema "$dir/s.json"
fails grammar_names_place_and_keyword 1 "/items: 'uniqueItems'" "$hone" grammar --schema "$dir/bad.json"
if "$hone" serve --help | grep -q -- --config; then
    # config NAME STATUS TEXT YAML: what the server says about a config file.
    config() {
        printf -- "$4" >"$dir/serve.yaml"
        fails "$1" "$2" "$3" "$hone" serve "$data/models/llama.gguf" --config "$dir/serve.yaml"
    }
    config config_names_unknown_keys 1 "serve.yaml: line 3: unknown key 'prot'" '# comment\nport: 0\nprot: 1\n'
    config config_names_bad_values 1 "line 2: port: expected N, found 'x'" 'host: 127.0.0.1\nport: x\n'
    config config_refuses_a_key_twice 1 "line 2: a second 'port'" 'port: 1\nport: 2\n'
    config config_is_a_mapping 1 'serve.yaml: line 1: Expecting MAPPING' '- port\n'
    config config_has_lists 1 'expected NAME=PATH' 'lora: [nothing]\n'
    config config_is_checked_as_options_are 2 'option --log: expected text' 'log: xml\n'
    config config_does_not_name_configs 1 "unknown key 'config'" 'config: x\n'
    fails config_must_exist 1 'open /nope' "$hone" serve x --config /nope
    fails key_file_needs_a_key 1 'no key in it' "$hone" serve "$data/models/llama.gguf" --api-key-file /dev/null
    fails tls_needs_both_files 2 'need each other' "$hone" serve x --tls-cert y
    fails address_must_be_there 1 'listen on 203.0.113.1 port 9' "$hone" serve "$data/models/llama.gguf" --host 203.0.113.1 --port 9
    # the command line wins over the file; SIGTERM ends an idle server at once, with 0
    printf 'port: 70000\nlog: json\nalias: tiny\n' >"$dir/serve.yaml"
    "$hone" serve "$data/models/llama.gguf" --config "$dir/serve.yaml" --port 0 2>"$dir/serve.err" &
    server=$!
    i=0
    until grep -q '^hone: serving on http://127.0.0.1:' "$dir/serve.err" || [ $i = 300 ]; do
        sleep 0.1
        i=$((i + 1))
    done
    grep -q '^hone: serving on http://127.0.0.1:' "$dir/serve.err"
    ok serve_says_where $?
    kill -TERM $server
    wait $server
    ok serve_ends_by_sigterm $?
fi
fails grammar_wants_one_source 2 'give one of' "$hone" grammar --schema "$dir/s.json" --regex a
"$hone" grammar --schema "$dir/s.json" --jsonl <"$dir/texts.jsonl" | cut -d, -f1,2 >"$dir/out"
printf '{"accepted":true,"rejected_at":null\n{"accepted":false,"rejected_at":6\n{"accepted":false,"rejected_at":null\n' | cmp -s - "$dir/out"
ok grammar_checks_texts $?
printf 'yes\nno\n' >"$dir/choices"
[ "$(echo '"no"' | "$hone" grammar --choices "$dir/choices" --jsonl | cut -d, -f1)" = '{"accepted":true' ]
ok grammar_reads_choices $?
fails rm_refuses_what_it_does_not_hold 1 'not in the cache' "$hone" rm nothing
says show_has_its_contract '"architecture":"llama"' "$hone" show "$data/models/llama.gguf" --json
says list_of_nothing_is_empty '{"models":[]}' "$hone" list --json
cache=$XDG_CACHE_HOME/hone/models
mkdir -p "$cache/a/m" "$cache/b/deep" "$dir/mine/m"
for f in "$cache/a/m/x.gguf" "$cache/b/deep/x.gguf" "$cache/b/y.gguf" "$dir/mine/m/z.gguf" "$dir/mine/w.gguf"; do echo >"$f"; done
ln -s "$dir/mine" "$cache/link"
ln -s "$dir/mine/w.gguf" "$cache/w.gguf"
fails rm_refuses_one_of_several 1 'several: a/m/x.gguf, b/deep/x.gguf' "$hone" rm x
fails rm_follows_no_link 1 'a link leads out of the cache' "$hone" rm link/m/z
[ -e "$dir/mine/m/z.gguf" ]
ok rm_spared_what_the_link_led_to $?
says rm_of_a_link_says_so 'removed w.gguf' "$hone" rm w
[ -e "$dir/mine/w.gguf" ] && [ ! -e "$cache/w.gguf" ]
ok rm_removes_the_link_alone $?
says rm_by_full_name 'removed a/m/x.gguf' "$hone" rm a/m/x
[ ! -e "$cache/a" ] && [ -e "$cache/b/deep/x.gguf" ]
ok rm_takes_empty_folders_along $?
says list_sees_folders_of_folders '"name":"b/deep/x.gguf"' "$hone" list --json
rm -r "$cache"
says plan_has_its_contract '"fits":true' "$hone" plan "$data/models/llama.gguf" --json
says dump_prints_logits '{"tokens":[1,2],"logits":[[' "$hone" dump "$data/models/llama.gguf" --tokens 1,2 --logits
says dump_prints_hidden '{"tokens":[1],"hidden":[[' "$hone" dump "$data/models/llama" --tokens 1 --hidden
says dump_writes_a_layer 'layer.1.q.npy' "$hone" dump "$data/models/llama" --tokens 1,2 --layer 1 --dir "$dir/layer"
"$hone" dump "$data/models/llama" --tensor model.norm.weight --npy "$dir/t.npy" && [ "$(wc -c <"$dir/t.npy")" = $((128 + 32 * 4)) ]
ok dump_writes_a_tensor $?
for l in none llama_all llama_all.gguf llama_all:0 llama_all:0.5; do
    set -- --lora "$data/lora/$l"
    [ $l = none ] && set --
    "$hone" dump "$data/models/llama" --tokens 1,2,3 --logits "$@" >"$dir/$l.json"
done
cmp -s "$dir/llama_all.json" "$dir/llama_all.gguf.json"
ok dump_adds_the_same_adapter_from_both_files $?
cmp -s "$dir/none.json" "$dir/llama_all:0.json" && ! cmp -s "$dir/none.json" "$dir/llama_all.json" &&
    ! cmp -s "$dir/llama_all.json" "$dir/llama_all:0.5.json"
ok dump_scales_adapters $?
fails dump_names_a_bad_adapter 1 "open $data/lora/x: No such file" "$hone" dump "$data/models/llama" --tokens 1 --logits --lora "$data/lora/x"
fails dump_of_a_tensor_takes_no_adapter 2 'lora needs --tokens' "$hone" dump "$data/models/llama" --tensor model.norm.weight --npy "$dir/t.npy" --lora x
says bench_takes_adapters '"batch":3' "$hone" bench "$data/models/llama" --decode 2 --batch 3 --reps 1 --json --lora "$data/lora/llama_all" --lora "$data/lora/llama_some.gguf"
fails dump_of_bad_tokens_prints_nothing 1 'expected 0 to 60, found 61' "$hone" dump "$data/models/llama" --tokens 61 --logits
fails dump_of_no_tokens_is_usage 2 'expected 1,2,3' "$hone" dump "$data/models/llama" --tokens '' --logits
fails dump_of_half_a_list_is_usage 2 'expected 1,2,3' "$hone" dump "$data/models/llama" --tokens 1, --logits
says dump_combines '"files":["' "$hone" dump "$data/models/llama" --tokens 1 --logits --hidden --layer 0 --dir "$dir/layer"
[ "$(grep -o '"[a-z]*":\[' "$dir/out" | tr -d '\n')" = '"tokens":["logits":["hidden":["files":[' ] && [ "$(tail -c 3 "$dir/out")" = ']}' ]
ok dump_is_one_document $?
says dump_of_a_layer_can_be_json '{"tokens":[1],"files":["' "$hone" dump "$data/models/llama" --tokens 1 --layer 0 --json --dir "$dir/layer"
fails dump_names_bad_tokens 1 'expected 0 to 60, found 61' "$hone" dump "$data/models/llama" --tokens 61 --layer 0 --dir "$dir/l2"
says doctor_tests_kernels '"self_test":"ok"' "$hone" doctor --json
says tokens_have_their_contract '"pieces":[' "$hone" tokens "$data/tok_llama3.json" -p 'hello' --json
says bench_has_its_contract '"results":[{"test":"prefill","n":5,"depth":0,"batch":2,' "$hone" bench "$data/models/llama.gguf" --prefill 5 --batch 2,1 --reps 2 --threads 1 --json
fails bench_names_bad_lists 2 "option --depth: expected N or N,N,.., found '1,x'" "$hone" bench "$data/models/llama.gguf" --depth 1,x
mkdir -p "$cache" && cp "$data/models/llama.gguf" "$cache/packed.gguf"
says bench_keeps_packed_weights '"results":[' "$hone" bench packed --decode 2 --reps 1 --packed-cache --json
"$hone" doctor --json | grep -q '"kernels":"ref"' || [ -s "$cache/packed.gguf.packed" ]
ok packed_weights_lie_beside_the_model $?
says rm_takes_packed_weights_along 'removed packed.gguf' "$hone" rm packed
[ ! -e "$cache/packed.gguf.packed" ]
ok packed_weights_are_gone $?
says bench_takes_two_types '"results":[' "$hone" bench "$data/models/llama.gguf" --kv-type q8_0,q4_0 --decode 2 --reps 1 --json
fails bench_names_bad_types 1 "kv type 'q9'" "$hone" bench "$data/models/llama.gguf" --kv-type q9
"$hone" synth --preset smollm2-135m --type Q4_K --layers 1 -o "$dir/synth.gguf" 2>"$dir/err" && grep -q 'Q4_K by Q5_0' "$dir/err"
ok synth_says_what_it_replaced $?
says synth_runs '"tokens_per_s"' "$hone" bench "$dir/synth.gguf" --decode 2 --reps 1 --json
for t in 0 1; do # noise that keeps to a grammar, chosen or drawn
    "$hone" run "$dir/synth.gguf" --raw -p abc --regex '(yes|no), [0-9]{3}[.]' --temp $t --json >"$dir/out" 2>"$dir/err" &&
        grep -qE '"text":"(yes|no), [0-9]{3}[.]","tokens".*"finish_reason":"stop"' "$dir/out"
    ok "run_keeps_to_a_grammar_$t" $?
done
printf '{"enum": ["left", "right"]}' >"$dir/schema.json"
"$hone" run "$dir/synth.gguf" --raw -p abc --schema "$dir/schema.json" >"$dir/out" 2>"$dir/err" &&
    python3 -c 'import json, sys; sys.exit(json.load(sys.stdin) not in ("left", "right"))' <"$dir/out"
ok run_keeps_to_a_schema $?
fails run_names_bad_grammars 1 "'(' without ')'" "$hone" run "$dir/synth.gguf" -p x --raw --regex 'a('
fails run_takes_one_grammar 2 'give one of --schema' "$hone" run x -p y --regex a --gbnf b
rm -f "$dir/synth.gguf"
says synth_lists_presets 'olmoe-1b-7b' "$hone" synth --list
fails synth_needs_its_options 2 'expected --preset, --type and --output' "$hone" synth --preset smollm2-135m
fails synth_names_bad_presets 1 "unknown preset 'x'" "$hone" synth --preset x --type F16 -o "$dir/x.gguf"
printf '"a b"\n"c"\n' | "$hone" tokens "$data/tok_llama3.json" --jsonl | "$hone" tokens "$data/tok_llama3.json" --decode --jsonl >"$dir/out"
[ "$(cat "$dir/out")" = '"a b"
"c"' ]
ok tokens_round_trip $?
mkfifo "$dir/in" "$dir/back"
"$hone" tokens "$data/tok_llama3.json" --jsonl --no-add-special <"$dir/in" >"$dir/back" &
exec 8>"$dir/in" 9<"$dir/back"
echo '"1"' >&8 && read -r first <&9 && echo '"2"' >&8 && read -r second <&9
[ "$first" != "$second" ] && [ -n "$first" ] && [ -n "$second" ]
ok tokens_answer_line_by_line $?
exec 8>&- 9<&-
wait
fails tokens_name_the_bad_line 1 'line 2: input' "$hone" tokens "$data/tok_llama3.json" --decode --jsonl -p '
1'
printf '{"messages":[{"role":"user","content":"Hi"}]}' >"$dir/c.json"
printf '{%% for m in messages %%}<{{ m.role }}>{{ m.content }}{%% endfor %%}' >"$dir/t.jinja"
[ "$("$hone" render --template "$dir/t.jinja" --chat "$dir/c.json")" = '<user>Hi' ]
ok render_adds_nothing $?
printf "{{ raise_exception('no') }}" >"$dir/t.jinja"
fails render_error_prints_nothing 1 'template: no' "$hone" render --template "$dir/t.jinja" --chat "$dir/c.json"
printf "{{ raise_exception('one\\\\ntwo') }}" >"$dir/t.jinja"
fails render_error_is_one_line 1 'one?two' "$hone" render --template "$dir/t.jinja" --chat "$dir/c.json"
printf "{{ strftime_now('%%Y-%%m-%%d') }}" >"$dir/t.jinja"
[ "$(SOURCE_DATE_EPOCH=86400 "$hone" render --template "$dir/t.jinja" --chat "$dir/c.json")" = 1970-01-02 ]
ok source_date_epoch_sets_the_clock $?
fails source_date_epoch_is_seconds 1 'expected seconds' env SOURCE_DATE_EPOCH=noon "$hone" render --template "$dir/t.jinja" --chat "$dir/c.json"
"$hone" show "$data/models/llama.gguf" >/dev/full 2>"$dir/err"
[ $? = 1 ] && grep -q 'cannot write' "$dir/err"
ok full_disk_is_an_error $?
yes '"one two three"' | head -n 20000 >"$dir/lines" # more than a pipe holds
{ "$hone" tokens "$data/tok_llama3.json" --jsonl <"$dir/lines" 2>"$dir/err"; echo $? >"$dir/status"; } | head -c 1 >/dev/null
[ "$(cat "$dir/status")" != 0 ] && [ ! -s "$dir/err" ]
ok closed_pipe_ends_it_silently $?

if [ -e "$model" ]; then
    "$hone" run "$model" -p 'Say hello.' --temp 0 -n 8 --json >"$dir/out" 2>"$dir/err"
    [ $? = 0 ] && grep -q '"finish_reason":"\(stop\|length\)"' "$dir/out" && grep -q '"decode_tokens_per_s":' "$dir/out"
    ok run_has_its_contract $?
    [ "$(printf 'The capital of France is' | "$hone" run "$model" --raw --temp 0 -n 2)" = ' Paris.' ]
    ok run_completes_a_pipe $?
    "$hone" run "$model" --raw -p 'one two three' --temp 0 -n 12 --threads 1 >"$dir/a"
    "$hone" run "$model" --raw -p 'one two three' --temp 0 -n 12 --threads 3 >"$dir/b"
    cmp -s "$dir/a" "$dir/b"
    ok run_does_not_depend_on_threads $?
    fails run_refuses_an_empty_prompt 1 'the prompt is empty' "$hone" run "$model" -p ''
    fails run_says_how_long_a_prompt_is 1 'at most 4 tokens (the context length), found 31' "$hone" run "$model" -p hi --ctx 4
    fails run_refuses_what_is_not_text 1 'expected UTF-8' "$hone" run "$model" -p "$(printf 'a\377')"
    says run_may_generate_nothing '"tokens":[],"finish_reason":"length","usage":{"prompt_tokens":3,"completion_tokens":0}' "$hone" run "$model" --raw -p 'one two three' -n 0 --json
    says run_stops_before_a_string '{"text":" Pa",' "$hone" run "$model" --raw -p 'The capital of France is' --temp 0 --stop France --stop ris --json
    says run_has_log_probabilities '"logprobs":[{"id":7042,"logprob":-0.' "$hone" run "$model" --raw -p 'The capital of France is' --temp 0 -n 1 --logprobs 2 --json
    says run_stops_at_an_end_token '"tokens":[],"finish_reason":"stop"' "$hone" run "$model" --raw -p one -n 3 --temp 0 --logit-bias 2=100 --json
    says run_goes_on_past_the_end '"tokens":[2,2,2],"finish_reason":"length"' "$hone" run "$model" --raw -p one -n 3 --temp 0 --logit-bias 2=100 --ignore-eos --json
    for seed in 1 1 2; do
        "$hone" run "$model" --raw -p one --seed $seed --temp 1.5 -n 8 >"$dir/seed$n"
        n=$((n + 1))
    done
    n=$((n - 3))
    cmp -s "$dir/seed$n" "$dir/seed$((n + 1))" && ! cmp -s "$dir/seed$n" "$dir/seed$((n + 2))"
    ok run_repeats_a_seed $?
    "$hone" run "$model" --raw -p one --ignore-eos >"$dir/long" 2>"$dir/err" &
    pid=$!
    while [ ! -s "$dir/long" ] && kill -0 $pid 2>/dev/null; do sleep 0.1; done
    kill -TERM $pid
    wait $pid
    [ $? = 130 ] && [ ! -s "$dir/err" ] && [ "$(tail -c 1 "$dir/long" | od -An -c | tr -d ' ')" = '\n' ]
    ok run_ends_well_when_interrupted $?
    printf '/system Be kind.\n/nothing\n/load /nowhere\n\033[200~Hi\nyou\033[201~\n/save %s\n/quit\n' "$dir/saved" |
        TERM=xterm timeout 60 script -qec "'$hone' run '$model' --temp 0 -n 5" /dev/null >"$dir/out"
    [ $? = 0 ] && grep -q '/nothing: no such command' "$dir/out" && grep -q 'open /nowhere: No such file' "$dir/out" &&
        [ "$(tr -d ' \n' <"$dir/saved" | cut -c 1-111)" = '{"messages":[{"role":"system","content":"Bekind."},{"role":"user","content":"Hi\nyou"},{"role":"assistant","con' ]
    ok chat_obeys_its_commands $?
    says example_complete_runs Paris "$complete" "$model" 'The capital of France is'
    says example_tokens_runs 'log probability' "$tokens" "$model" 'The quick brown fox'
    "$chat" "$model" '{"messages":[{"role":"user","content":"Hi"}],"add_generation_prompt":true}' >"$dir/a" &&
        "$chat" "$model" '{"messages":[{"role":"user","content":"Hi"}],"add_generation_prompt":true}' >"$dir/b" &&
        [ -s "$dir/a" ] && cmp -s "$dir/a" "$dir/b"
    ok example_chat_repeats_itself $?
else
    for t in run_has_its_contract run_completes_a_pipe run_does_not_depend_on_threads run_refuses_an_empty_prompt \
        run_says_how_long_a_prompt_is run_refuses_what_is_not_text run_may_generate_nothing run_stops_before_a_string \
        run_has_log_probabilities run_stops_at_an_end_token run_goes_on_past_the_end run_repeats_a_seed run_ends_well_when_interrupted chat_obeys_its_commands example_complete_runs example_tokens_runs example_chat_repeats_itself; do
        skip $t "no $model; make run gets it"
    done
fi
echo "1..$n"
