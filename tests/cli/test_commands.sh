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
for c in run pull list rm show plan tokens render dump doctor bench synth grammar; do
    says "help_of_$c" "usage: hone $c" "$hone" "$c" --help
done
fails unknown_command_is_usage 2 "unknown command 'frob'" "$hone" frob
fails unknown_option_is_usage 2 "unknown option '--frob'" "$hone" show --frob
fails missing_argument_is_usage 2 'expected MODEL' "$hone" show
fails bad_number_is_usage 2 'option --threads: expected N' "$hone" plan x --threads many
fails missing_model_is_named 1 'neither a file nor a name' "$hone" show nothing-here
printf 'GGUF\003\000\000\000' >"$dir/cut.gguf"
fails truncated_model_is_named 1 "hone: open $dir/cut.gguf: truncated" "$hone" show "$dir/cut.gguf"
fails empty_prompt_is_named 1 'prompt' "$hone" run "$data/models/llama.gguf"
fails model_without_tokenizer_says_so 1 'no tokenizer' "$hone" run "$data/models/llama.gguf" -p hi
fails unknown_pull_is_named 1 'pull nothing' "$hone" pull nothing
fails bad_hub_name_is_named 1 'expected hf:ORG/REPO' "$hone" pull hf:one
printf '{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}' >"$dir/s.json"
printf '{"items":{"uniqueItems":true}}' >"$dir/bad.json"
printf '"{\\"a\\": 1}"\n"{\\"a\\": x}"\n"{\\"a\\": 1"\n' >"$dir/texts.jsonl"
says grammar_compiles '{"ok":true,"states":' "$hone" grammar --schema "$dir/s.json"
fails grammar_names_place_and_keyword 1 "/items: 'uniqueItems'" "$hone" grammar --schema "$dir/bad.json"
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
says plan_has_its_contract '"fits":true' "$hone" plan "$data/models/llama.gguf" --json
says dump_prints_logits '{"tokens":[1,2],"logits":[[' "$hone" dump "$data/models/llama.gguf" --tokens 1,2 --logits
says dump_prints_hidden '{"tokens":[1],"hidden":[[' "$hone" dump "$data/models/llama" --tokens 1 --hidden
says dump_writes_a_layer 'layer.1.q.npy' "$hone" dump "$data/models/llama" --tokens 1,2 --layer 1 --dir "$dir/layer"
"$hone" dump "$data/models/llama" --tensor model.norm.weight --npy "$dir/t.npy" && [ "$(wc -c <"$dir/t.npy")" = $((128 + 32 * 4)) ]
ok dump_writes_a_tensor $?
fails dump_names_bad_tokens 1 'expected 0 to 60, found 61' "$hone" dump "$data/models/llama" --tokens 61 --layer 0 --dir "$dir/l2"
says doctor_tests_kernels '"self_test":"ok"' "$hone" doctor --json
says tokens_have_their_contract '"pieces":[' "$hone" tokens "$data/tok_llama3.json" -p 'hello' --json
says bench_has_its_contract '"results":[{"test":"prefill","n":5,"depth":0,"batch":2,' "$hone" bench "$data/models/llama.gguf" --prefill 5 --batch 2,1 --reps 2 --threads 1 --json
fails bench_names_bad_lists 2 "option --depth: expected N or N,N,.., found '1,x'" "$hone" bench "$data/models/llama.gguf" --depth 1,x
fails bench_names_bad_types 1 "kv type 'q9'" "$hone" bench "$data/models/llama.gguf" --kv-type q9
"$hone" synth --preset smollm2-135m --type Q4_K --layers 1 -o "$dir/synth.gguf" 2>"$dir/err" && grep -q 'Q4_K by Q5_0' "$dir/err"
ok synth_says_what_it_replaced $?
says synth_runs '"tokens_per_s"' "$hone" bench "$dir/synth.gguf" --decode 2 --reps 1 --json
rm -f "$dir/synth.gguf"
says synth_lists_presets 'olmoe-1b-7b' "$hone" synth --list
fails synth_needs_its_options 2 'expected --preset, --type and --output' "$hone" synth --preset smollm2-135m
fails synth_names_bad_presets 1 "unknown preset 'x'" "$hone" synth --preset x --type F16 -o "$dir/x.gguf"
printf '"a b"\n"c"\n' | "$hone" tokens "$data/tok_llama3.json" --jsonl | "$hone" tokens "$data/tok_llama3.json" --decode --jsonl >"$dir/out"
[ "$(cat "$dir/out")" = '"a b"
"c"' ]
ok tokens_round_trip $?
printf '{"messages":[{"role":"user","content":"Hi"}]}' >"$dir/c.json"
printf '{%% for m in messages %%}<{{ m.role }}>{{ m.content }}{%% endfor %%}' >"$dir/t.jinja"
[ "$("$hone" render --template "$dir/t.jinja" --chat "$dir/c.json")" = '<user>Hi' ]
ok render_adds_nothing $?
printf "{{ raise_exception('no') }}" >"$dir/t.jinja"
fails render_error_prints_nothing 1 'template: no' "$hone" render --template "$dir/t.jinja" --chat "$dir/c.json"
printf "{{ strftime_now('%%Y-%%m-%%d') }}" >"$dir/t.jinja"
[ "$(SOURCE_DATE_EPOCH=86400 "$hone" render --template "$dir/t.jinja" --chat "$dir/c.json")" = 1970-01-02 ]
ok source_date_epoch_sets_the_clock $?
"$hone" show "$data/models/llama.gguf" >/dev/full 2>"$dir/err"
[ $? = 1 ] && grep -q 'cannot write' "$dir/err"
ok full_disk_is_an_error $?

if [ -e "$model" ]; then
    "$hone" run "$model" -p 'Say hello.' --temp 0 -n 8 --json >"$dir/out" 2>"$dir/err"
    [ $? = 0 ] && grep -q '"finish_reason":"\(stop\|length\)"' "$dir/out" && grep -q '"decode_tokens_per_s":' "$dir/out"
    ok run_has_its_contract $?
    [ "$(printf 'The capital of France is' | "$hone" run "$model" --raw --temp 0 -n 2)" = ' Paris.' ]
    ok run_completes_a_pipe $?
    "$hone" run "$model" --raw -p 'one two three' --temp 0 -n 30 --threads 1 >"$dir/a"
    "$hone" run "$model" --raw -p 'one two three' --temp 0 -n 30 --threads 3 >"$dir/b"
    cmp -s "$dir/a" "$dir/b"
    ok run_does_not_depend_on_threads $?
    says example_complete_runs Paris "$complete" "$model" 'The capital of France is'
    says example_tokens_runs 'log probability' "$tokens" "$model" 'The quick brown fox'
    "$chat" "$model" '{"messages":[{"role":"user","content":"Hi"}],"add_generation_prompt":true}' >"$dir/a" &&
        "$chat" "$model" '{"messages":[{"role":"user","content":"Hi"}],"add_generation_prompt":true}' >"$dir/b" &&
        [ -s "$dir/a" ] && cmp -s "$dir/a" "$dir/b"
    ok example_chat_repeats_itself $?
else
    for t in run_has_its_contract run_completes_a_pipe run_does_not_depend_on_threads example_complete_runs example_tokens_runs example_chat_repeats_itself; do
        skip $t "no $model; make run gets it"
    done
fi
echo "1..$n"
