"""Unmodified clients against a running `hone serve`: test_clients.py URL MODEL.

openai and anthropic check the shapes of replies by their own types; lm-eval measures a
log-likelihood task, whose data HONE_EVAL_DATA names (JSON lines with `text`).
"""
import base64
import json
import math
import os
import struct
import sys
import tempfile

import anthropic
import openai
import requests
from common import Skip, case, finish, raises

url, model = sys.argv[1], sys.argv[2]
client = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0)
claude = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
hi = [{"role": "user", "content": "What is the capital of France?"}]
weather = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "maxLength": 20},
                "unit": {"enum": ["C", "F"]},
            },
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
greedy = {"temperature": 0, "max_tokens": 24}


def chat(**more):
    return client.chat.completions.create(**{"model": model, "messages": hi, **greedy, **more})


# -- models ----------------------------------------------------------------------------------


@case
def models_list_and_retrieve():
    assert model in [m.id for m in client.models.list()]
    m = client.models.retrieve(model)
    assert m.id == model and m.max_model_len > 0
    assert raises(openai.NotFoundError, lambda: client.models.retrieve("x")).code == "model_not_found"


# -- chat --------------------------------------------------------------------------------------


@case
def chat_whole_equals_streamed():
    whole = chat()
    stream = list(chat(stream=True, stream_options={"include_usage": True}))
    text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    assert text == whole.choices[0].message.content and text
    assert stream[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in stream if c.choices][-1] == whole.choices[0].finish_reason
    assert all(c.usage is None for c in stream[:-1]) and stream[-1].choices == []
    assert stream[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert len({(c.id, c.created, c.model) for c in stream}) == 1


@case
def the_stream_helper_finds_role_and_finish():
    with client.chat.completions.stream(model=model, messages=hi, stop=["a"], **greedy) as s:
        for _ in s:
            pass
        final = s.get_final_completion()
    assert final.choices[0].message.content == chat(stop=["a"]).choices[0].message.content


@case
def n_answers_differ_by_seed_and_repeat_by_seed():
    a = chat(n=3, seed=7, temperature=1.0)
    b = chat(n=3, seed=7, temperature=1.0)
    texts = [c.message.content for c in a.choices]
    assert texts == [c.message.content for c in b.choices]
    assert [c.index for c in a.choices] == [0, 1, 2] and len(set(texts)) > 1
    assert a.usage.completion_tokens > 24
    far = chat(seed=7 + 2**32, temperature=1.0)
    assert far.choices[0].message.content != texts[0]


@case
def logprobs_are_of_the_tokens_shown():
    r = chat(logprobs=True, top_logprobs=3).choices[0]
    got = r.logprobs.content
    assert b"".join(bytes(t.bytes) for t in got).decode() == r.message.content
    for t in got:
        assert len(t.top_logprobs) == 3 and t.logprob == t.top_logprobs[0].logprob <= 0
    assert math.exp(got[0].logprob) <= 1
    stream = [c.choices[0] for c in chat(stream=True, logprobs=True, top_logprobs=3)]
    again = [t for c in stream if c.logprobs for t in c.logprobs.content]
    assert [(t.token, t.logprob) for t in again] == [(t.token, t.logprob) for t in got]


@case
def stop_strings_end_answers():
    full = chat().choices[0].message.content
    stop = full[6:9]
    r = chat(stop=[stop]).choices[0]
    assert r.message.content == full[: full.index(stop)] and r.finish_reason == "stop"


@case
def logit_bias_forces_and_forbids():
    r = chat(logit_bias={"504": 100}, max_tokens=3, logprobs=True).choices[0]
    assert len({t.token for t in r.logprobs.content}) == 1


@case
def required_tools_are_called():
    r = chat(tools=[weather], tool_choice="required", max_tokens=200).choices[0]
    assert r.finish_reason in ("tool_calls", "length"), r
    call = r.message.tool_calls[0]
    if r.finish_reason == "tool_calls":
        assert set(json.loads(call.function.arguments)) == {"city", "unit"}
    assert call.function.name == "get_weather" and call.id.startswith("call_")


@case
def named_tools_stream_like_whole_ones():
    named = {"type": "function", "function": {"name": "get_weather"}}
    more = {"tools": [weather], "tool_choice": named, "max_tokens": 200}
    whole = chat(**more).choices[0]
    calls = {}
    for c in chat(stream=True, **more):
        for d in c.choices[0].delta.tool_calls or []:
            one = calls.setdefault(d.index, {"name": "", "arguments": ""})
            if d.id:
                one["id"] = d.id
            one["name"] += d.function.name or ""
            one["arguments"] += d.function.arguments or ""
    assert len(calls) == 1 and calls[0]["id"]
    assert calls[0]["arguments"] == whole.message.tool_calls[0].function.arguments
    assert json.loads(calls[0]["arguments"])["unit"] in ("C", "F")


@case
def results_of_tools_go_back():
    history = hi + [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function",
         "function": {"name": "get_weather", "arguments": '{"city":"Paris","unit":"C"}'}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "21"},
    ]
    r = client.chat.completions.create(model=model, messages=history, tools=[weather], **greedy)
    assert r.choices[0].finish_reason in ("stop", "length", "tool_calls")


@case
def schemas_are_kept():
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "maximum": 150, "minimum": 0}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": schema}}
    for stream in (False, True):
        r = chat(response_format=form, max_tokens=120, stream=stream)
        text = "".join(c.choices[0].delta.content or "" for c in r) if stream else r.choices[0].message.content
        v = json.loads(text)
        assert set(v) == {"name", "age"} and 0 <= v["age"] <= 150


@case
def structured_outputs_are_kept():
    def ask(**how):
        return chat(extra_body={"structured_outputs": how}).choices[0].message.content

    assert ask(choice=["yes", "no"]) in ("yes", "no")
    text = ask(regex="[0-9]{3}-[a-c]{2}")
    assert len(text) == 6 and text[3] == "-"
    assert set(ask(grammar='root ::= "ab"{2}')) == {"a", "b"}
    assert json.loads(ask(json={"enum": [1, 2]})) in (1, 2)


@case
def mistakes_are_bad_requests():
    def code(**more):
        return raises(openai.BadRequestError, lambda: chat(**more)).code

    assert code(temperature=3) == "invalid_value"
    assert code(messages=[{"role": "user", "content": "word " * 9000}]) == "context_length_exceeded"
    assert code(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nothing"}}}) == "invalid_schema"
    e = raises(openai.NotFoundError, lambda: chat(model="other"))
    assert e.code == "model_not_found" and e.param == "model"
    r = requests.post(url + "/v1/chat/completions", data=b'{"messages": [')
    assert r.status_code == 400 and r.json()["error"]["code"] == "invalid_json"


# -- completions, embeddings ---------------------------------------------------------------------


@case
def completions_take_texts_and_tokens():
    one = client.completions.create(model=model, prompt="The sky is", temperature=0)
    assert one.usage.completion_tokens <= 16
    ids = requests.post(url + "/tokenize", json={"prompt": "The sky is"}).json()["tokens"]
    many = client.completions.create(model=model, prompt=[ids, ids], temperature=0)
    assert [c.text for c in many.choices] == [one.choices[0].text] * 2
    assert many.usage.completion_tokens == 2 * one.usage.completion_tokens
    streamed = client.completions.create(model=model, prompt="The sky is", temperature=0, stream=True)
    assert "".join(c.choices[0].text for c in streamed) == one.choices[0].text


@case
def echo_scores_the_prompt():
    r = client.completions.create(model=model, prompt="The sky is blue", echo=True, logprobs=1, max_tokens=0).choices[0]
    assert r.text == "The sky is blue" and "".join(r.logprobs.tokens) == r.text
    assert r.logprobs.token_logprobs[0] is None and all(x < 0 for x in r.logprobs.token_logprobs[1:])
    assert [r.text[o:o + len(t)] for o, t in zip(r.logprobs.text_offset, r.logprobs.tokens)] == r.logprobs.tokens


@case
def embeddings_are_the_same_in_every_form():
    e = client.embeddings.create(model=model, input=["cat", "dog"])
    floats = client.embeddings.create(model=model, input=["cat"], encoding_format="float").data[0].embedding
    raw = requests.post(url + "/v1/embeddings", json={"input": "cat", "encoding_format": "base64"}).json()
    unpacked = struct.unpack(f"<{len(floats)}f", base64.b64decode(raw["data"][0]["embedding"]))
    assert len(e.data) == 2 and len(e.data[0].embedding) == len(floats)
    assert all(abs(a - b) < 1e-6 for a, b in zip(unpacked, floats))
    assert all(abs(a - b) < 1e-6 for a, b in zip(e.data[0].embedding, floats))
    assert abs(sum(x * x for x in floats) - 1) < 1e-4


# -- responses ------------------------------------------------------------------------------------


@case
def responses_whole_and_streamed():
    more = {"model": model, "input": "What is the capital of France?", "temperature": 0, "extra_body": {"stop": ["a"]}}
    r = client.responses.create(**more)
    with client.responses.stream(**more) as s:
        events = list(s)
        final = s.get_final_response()
    assert final.output_text == r.output_text and r.output_text
    assert [e.sequence_number for e in events if hasattr(e, "sequence_number")] == list(range(len(events)))
    assert events[0].type == "response.created" and final.status == r.status


@case
def responses_that_are_cut_say_so():
    r = client.responses.create(model=model, input="Tell a long story.", temperature=0, max_output_tokens=4)
    assert r.status == "incomplete" and r.incomplete_details.reason == "max_output_tokens"


@case
def responses_call_functions_and_keep_formats():
    tool = {"type": "function", **weather["function"], "strict": True}
    r = client.responses.create(model=model, input="Weather?", tools=[tool], tool_choice="required", temperature=0, max_output_tokens=200)
    call = [o for o in r.output if o.type == "function_call"][0]
    assert call.name == "get_weather" and call.call_id
    form = {"format": {"type": "json_schema", "name": "n", "schema": {"enum": ["a", "b"]}}}
    r = client.responses.create(model=model, input="a or b?", text=form, temperature=0)
    assert json.loads(r.output_text) in ("a", "b")
    e = raises(openai.BadRequestError, lambda: client.responses.create(model=model, input="x", previous_response_id="resp_1"))
    assert e.param == "previous_response_id"


# -- messages ----------------------------------------------------------------------------------------


@case
def messages_whole_and_streamed():
    more = {"model": model, "messages": hi, "max_tokens": 24, "extra_body": {"temperature": 0}}
    m = claude.messages.create(**more)
    with claude.messages.stream(**more) as s:
        text = "".join(s.text_stream)
        final = s.get_final_message()
    assert text == m.content[0].text == final.content[0].text
    assert m.stop_reason in ("end_turn", "max_tokens") and final.stop_reason == m.stop_reason
    assert final.usage.output_tokens == m.usage.output_tokens
    n = claude.messages.count_tokens(model=model, messages=hi).input_tokens
    assert n == m.usage.input_tokens + m.usage.cache_read_input_tokens


@case
def messages_stop_sequences_and_tools():
    m = claude.messages.create(model=model, messages=hi, max_tokens=40, stop_sequences=["a"], extra_body={"temperature": 0})
    assert m.stop_reason == "stop_sequence" and m.stop_sequence == "a"
    tool = {"name": "get_weather", "input_schema": weather["function"]["parameters"]}
    m = claude.messages.create(model=model, messages=hi, max_tokens=200, tools=[tool], tool_choice={"type": "any"}, extra_body={"temperature": 0})
    use = [b for b in m.content if b.type == "tool_use"][0]
    assert use.name == "get_weather" and use.id.startswith("toolu_")
    if m.stop_reason == "tool_use":
        assert set(use.input) == {"city", "unit"}


@case
def messages_errors_are_typed():
    e = raises(anthropic.BadRequestError, lambda: claude.messages.create(model=model, messages=[], max_tokens=4))
    assert e.body["type"] == "error" and e.body["error"]["type"] == "invalid_request_error"
    raises(anthropic.NotFoundError, lambda: claude.messages.create(model="other", messages=hi, max_tokens=4))


# -- lm-eval ------------------------------------------------------------------------------------------


@case
def lm_eval_scores_over_completions():
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    path = os.environ.get("HONE_EVAL_DATA")
    if not path or not os.path.exists(path):
        raise Skip("HONE_EVAL_DATA names no file of JSON lines with `text`")
    rows = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            text = json.loads(line)["text"].rstrip()
            before, last = text.rsplit(" ", 1)
            rows.append({"before": before, "last": last})
            if len(rows) == 6:
                break
    with tempfile.TemporaryDirectory() as d:
        data = os.path.join(d, "rows.json")
        with open(data, "w", encoding="utf-8") as f:
            json.dump(rows, f)
        task = {
            "task": "last_word",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": data}},
            "test_split": "test",
            "output_type": "loglikelihood",
            "doc_to_text": "{{before}}",
            "doc_to_target": " {{last}}",
            "metric_list": [{"metric": "acc"}, {"metric": "perplexity"}],
        }
        args = {"model": model, "base_url": url + "/v1/completions", "tokenizer_backend": "remote",
                "num_concurrent": 1, "max_length": 1024}
        r = simple_evaluate(model="local-completions", model_args=args, tasks=[task], task_manager=TaskManager(), bootstrap_iters=0)
    got = r["results"]["last_word"]
    assert 0 <= got["acc,none"] <= 1 and 1 < got["perplexity,none"] < 1e6, got
    print(f"# {len(rows)} last words: accuracy {got['acc,none']:.2f}, perplexity {got['perplexity,none']:.1f}")


finish()
