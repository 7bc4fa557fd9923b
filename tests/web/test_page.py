"""The page of `hone serve` in a browser: test_page.py URL [FOLDER for screenshots].

What a model would not say is said by fake.py, which hands on the real server's page.
"""
import json
import os
import re
import sys
import tempfile
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients"))
from browser import Keys, Page
from common import case, finish
from fake import Fake

real = sys.argv[1]
shots = Path(sys.argv[2]) if len(sys.argv) > 2 else None
fake = Fake(real)
page = Page()

HOSTILE = """<script>window.hurt = 1</script> <img src=x onerror="window.hurt = 2">
<svg onload="window.hurt = 3"><a xlink:href="javascript:window.hurt=4">x</a></svg>
[js](javascript:window.hurt=5) [js2](JaVaScRiPt:window.hurt=6) [data](data:text/html,<script>hurt=7</script>)
[tab](java\tscript:window.hurt=8) <javascript:window.hurt=9> ![i](https://e.example/x" onerror="window.hurt=10)
<a href="https://e.example" onclick="window.hurt=11">a</a> <iframe srcdoc="<script>parent.hurt=12</script>"></iframe>
[q](https://e.example/" onmouseover="window.hurt=13) <style>body{display:none}</style> &lt;b&gt;
| <b>t</b> | <form action=/x> |
|---|---|
| <input onfocus=hurt=14 autofocus> | `</code><script>hurt=15</script>` |

```"><script>hurt=16</script>
</code></pre><script>window.hurt = 17</script>
```"""


def begin(**values):
    fake.reset()
    for name, value in values.items():
        setattr(fake, name, value)
    page.open(fake.url)


def shot(name):
    if shots:
        page.driver.save_screenshot(str(shots / f"{name}.png"))


def render(text, piece=None):
    """The HTML of a Markdown text that came in pieces."""
    return page.module("""
        const root = document.createElement("div"), view = new markdown.MarkdownView(root);
        const [text, piece] = given;
        for (let i = 0; i < text.length; i += piece) view.append(text.slice(i, i + piece));
        view.end();
        for (const n of root.querySelectorAll("figcaption")) n.remove();
        return [...root.children].map((n) => n.innerHTML).join("\\n");""", text, piece or len(text) or 1)


# -- with a model ------------------------------------------------------------------


@case
def answer_streams_and_is_saved():
    page.open(real)
    page.click("Settings")
    page.one("[name=temperature]").send_keys("0")
    page.one("[name=max_completion_tokens]").send_keys("24")
    page.click("Save")
    assert page.text("#open-settings") == "Settings (2)"
    page.js("window.sizes = []; new MutationObserver(() => sizes.push(document.querySelector"
            "('.answer .text')?.textContent.length)).observe(document.getElementById('messages'),"
            "{subtree: true, childList: true, characterData: true})")
    page.ask("What is the capital of France?")
    assert len(set(page.js("return sizes"))) > 3, "it came at once"
    body = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "temperature": 0,
            "max_tokens": 24}
    with urllib.request.urlopen(real + "/v1/chat/completions", json.dumps(body).encode()) as reply:
        want = json.load(reply)["choices"][0]["message"]["content"]
    assert page.messages()[1] == want, page.messages()
    figures = page.text(".figures")
    assert re.search(r"\d+ tokens · [\d.]+ tokens/s · first after [\d.]+ s · \d+ of \d+ prompt", figures), figures
    page.ask("And of Spain?")
    cached = re.search(r"(\d+) of (\d+) prompt", page.js(
        "return [...document.querySelectorAll('.figures')].at(-1).textContent"))
    assert int(cached[1]) > 0, "the second prompt begins with the first one and its answer"
    [saved] = page.saved()
    assert [m["role"] for m in saved["messages"]] == ["user", "assistant"] * 2
    assert saved["messages"][1]["content"] == want
    before = page.messages()
    page.open(real, keep=True)
    assert page.messages() == before


@case
def escape_stops_a_real_answer():
    page.open(real)
    page.click("Settings")
    page.one("[name=temperature]").send_keys("0")  # then the answer is over 1500 tokens long
    page.click("Save")
    page.ask("Write a very long story about a dog.", wait=False)
    page.wait(lambda: len(page.messages()) == 2 and len(page.messages()[1]) > 20)
    page.keys(Keys.ESCAPE)
    page.idle()
    assert page.text(".figures").startswith("stopped")
    [saved] = page.saved()
    assert saved["messages"][1]["end"] == "stopped" and len(saved["messages"][1]["content"]) > 20


# -- messages ----------------------------------------------------------------------


@case
def edit_cuts_what_is_below_and_sends_again():
    begin()
    page.ask("first")
    page.ask("second")
    page.click("Edit message", ".message:nth-child(1)")
    area = page.one(".edit textarea")
    area.clear()
    fake.parts = ["Another."]
    area.send_keys("changed", Keys.ENTER)
    page.idle()
    assert page.messages() == ["changed", "Another."], page.messages()
    assert [m["content"] for m in fake.bodies[-1]["messages"]] == ["changed"]
    assert len(page.saved()[0]["messages"]) == 2
    page.click("Edit message")
    page.one(".edit textarea").send_keys("not this", Keys.ESCAPE)
    assert page.messages() == ["changed", "Another."]


@case
def retry_copy_and_delete_with_undo():
    begin()
    page.ask("a question")
    fake.parts = ["A second try."]
    page.click("Retry: answer again")
    page.idle()
    assert page.messages() == ["a question", "A second try."]
    assert len(fake.bodies) == 2 and fake.bodies[0] == fake.bodies[1]
    page.cdp("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    page.click("Copy answer")
    page.wait(lambda: page.text(".answer .actions button") == "Copied")
    page.click("Delete message")
    assert page.messages() == [] and page.saved()[0]["messages"] == []
    page.click("Undo")
    assert page.messages() == ["a question", "A second try."]
    page.click("Delete answer")
    assert page.messages() == ["a question"]
    page.click("Retry: answer this")
    page.idle()
    assert page.messages() == ["a question", "A second try."]


@case
def stop_closes_the_connection_and_keeps_what_came():
    begin(parts=["Some text"] + [("wait", 0.2), " more"] * 600)
    page.ask("go on", wait=False)
    page.wait(lambda: "more" in "".join(page.messages()))
    page.click("Stop")
    page.idle()
    assert fake.gone.wait(20), "the server was not told"
    assert page.saved()[0]["messages"][1]["end"] == "stopped"


@case
def settings_system_prompt_and_adapter_are_sent():
    begin()
    page.ask("plain")
    assert set(fake.bodies[0]) == {"model", "messages", "stream", "stream_options"}, "defaults are the server's"
    page.click("Settings")
    for name, value in {"system": "Be brief.", "temperature": "0.5", "top_p": "0.9", "top_k": "40", "min_p": "0.05",
                        "max_completion_tokens": "99", "seed": "7", "stop": "END\\n\nx"}.items():
        page.one(f"[name={name}]").send_keys(value)
    page.click("Save")
    page.one("#model option[value=pirate]").click()
    page.ask("set")
    body = fake.bodies[1]
    assert body["model"] == "pirate"
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert [m["content"] for m in body["messages"][1:]] == ["plain", "An answer.", "set"]
    want = {"temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "max_completion_tokens": 99, "seed": 7,
            "stop": ["END\n", "x"]}
    assert {k: body.get(k) for k in want} == want, body


@case
def reasoning_is_folded_and_not_sent_back():
    begin(parts=[("reasoning", "First I *think*. "), ("reasoning", "Then more."), "The result."])
    page.ask("why?")
    assert page.js("const d = document.querySelector('details.reasoning'); return [d.open, d.hidden,"
                   "d.querySelector('div').textContent]") == [False, False, "First I think. Then more."]
    assert page.messages()[1] == "The result."
    assert page.text(".figures").endswith("16 of 20 prompt tokens from the cache")
    page.ask("again")
    assert fake.bodies[1]["messages"][1] == {"role": "assistant", "content": "The result."}


# -- conversations -----------------------------------------------------------------


@case
def conversations_are_kept_searched_renamed_deleted():
    begin()
    page.ask("about apples")
    page.click("New conversation")
    page.ask("about pears")
    page.open(fake.url, keep=True)
    titles = lambda: page.js("return [...document.querySelectorAll('#list .open')].map((n) => n.textContent)")
    assert titles() == ["about pears", "about apples"]
    assert page.messages()[0] == "about pears", "a reload opens what was open"
    page.one("#search").send_keys("APPLES")
    assert titles() == ["about apples"]
    page.one("#search").clear()
    page.one("#search").send_keys("x", Keys.BACKSPACE)
    page.click("Rename")
    page.keys("fruit", Keys.ENTER)
    assert titles() == ["fruit", "about apples"] and page.text("#title") == "fruit"
    page.click("Delete conversation fruit")
    assert titles() == ["about apples"] and len(page.saved()) == 1
    page.click("Undo")
    assert titles() == ["fruit", "about apples"] and len(page.saved()) == 2


@case
def an_answer_goes_on_in_the_background():
    begin(parts=["Begin. "] + [("wait", 0.1), "more "] * 15 + ["End."])
    page.ask("slow", wait=False)
    page.wait(lambda: "more" in "".join(page.messages()))
    page.click("New conversation")
    assert page.messages() == [] and not page.one("#send").is_displayed()
    page.click("slow", "#list")
    page.idle()
    assert page.messages()[1] == "Begin. " + "more " * 15 + "End."
    assert page.saved()[0]["messages"][1]["content"] == page.messages()[1]


@case
def windows_share_their_conversations():
    begin()
    page.ask("in the first")
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    page.open(fake.url, keep=True)
    page.ask("in the second")
    page.driver.close()
    page.driver.switch_to.window(first)
    page.wait(lambda: len(page.all("#list .open")) == 2)
    assert page.messages() == ["in the first", "An answer."]
    page.ask("go on")
    assert sorted(len(c["messages"]) for c in page.saved()) == [2, 4]


@case
def export_and_import():
    begin()
    page.ask("to be exported")
    with tempfile.TemporaryDirectory() as folder:
        page.cdp("Browser.setDownloadBehavior", behavior="allow", downloadPath=folder)
        page.click("Export all")
        file = Path(folder) / "conversations.json"
        page.wait(file.exists)
        data = json.loads(file.read_text())
        assert data["format"] == "hone-conversations"
        assert [m["content"] for m in data["conversations"][0]["messages"]] == ["to be exported", "An answer."]
        page.open(fake.url)
        page.one("#file").send_keys(str(file))
        page.wait(lambda: "1 conversation imported" in page.text("#notice"))
        page.click("to be exported", "#list")
        assert page.messages() == ["to be exported", "An answer."]
        for bad in ["{", "[1]", '{"format":"hone-conversations","conversations":5}']:
            file.write_text(bad)
            page.js("document.getElementById('notice').replaceChildren()")
            page.one("#file").send_keys(str(file))
            page.wait(lambda: "has no conversations" in page.text("#notice"))
        file.write_text(json.dumps({"format": "hone-conversations", "conversations": [None, 3, {"messages": [
            None, {"role": "system", "content": "x"}, {"role": "user", "content": 5}, {"role": "user", "content": "ok"}],
            "title": {"a": 1}, "id": "../x", "settings": {"temperature": 9, "top_k": 3, "n": 5}, "changed": "soon"}]}))
        page.one("#file").send_keys(str(file))
        page.wait(lambda: "1 conversation imported" in page.text("#notice"))
        bad = [c for c in page.saved() if c["messages"] and c["messages"][-1]["content"] == "ok"][0]
        assert bad["settings"] == {"top_k": 3} and bad["title"] == "" and len(bad["messages"]) == 2, bad
        os.unlink(file)


@case
def a_full_store_is_said_and_nothing_is_lost_silently():
    begin()
    page.js("localStorage.setItem('hone.chat.big', JSON.stringify({messages: [{role: 'user', "
            "content: 'x'.repeat(3999900)}], title: 'big', changed: 1}))")
    page.open(fake.url, keep=True)
    page.ask("one more")
    assert "store is full" in page.text("#notice"), page.text("#notice")
    assert page.messages() == ["one more", "An answer."] and len(page.saved()) == 1
    page.js("localStorage.clear()")


# -- trouble -----------------------------------------------------------------------


@case
def errors_are_said_in_plain_words():
    begin()
    for error, want in {
        (429, "queue: full", None, (("Retry-After", "3"),)): "Try again in 3 seconds",
        (400, "maximum context length is 64", "context_length_exceeded"): "too long for the model",
        (404, "no model", "model_not_found"): "Choose another one",
        (503, "the server is shutting down"): "shutting down or busy",
        (500, "out of <b>memory</b>"): "The server failed. The server says: out of <b>memory</b>",
    }.items():
        fake.error = error
        page.ask("hello")
        page.wait(lambda: page.text("#problem"))
        assert want in page.text("#problem"), page.text("#problem")
        assert page.js("return document.querySelector('#problem').getAttribute('role')") == "alert"
    fake.error = None
    page.click("Try again")
    page.idle()
    assert page.messages()[-1] == "An answer." and page.text("#problem") == ""


@case
def a_lost_connection_keeps_what_came():
    begin(parts=["Half an ans"], cut=True)
    page.ask("hello")
    page.wait(lambda: "connection was lost" in page.text("#problem"))
    assert page.messages() == ["hello", "Half an ans"] and page.text(".figures").startswith("broken off")
    assert page.saved()[0]["messages"][1]["end"] == "lost"
    fake.cut = False
    fake.parts = ["Whole."]
    page.click("Try again")
    page.idle()
    assert page.messages() == ["hello", "Whole."]
    page.driver.set_network_conditions(offline=True, latency=0, throughput=1)
    page.ask("anyone?")
    page.wait(lambda: "cannot be reached" in page.text("#problem"))
    page.driver.delete_network_conditions()
    page.click("Try again")
    page.idle()
    assert page.messages()[-2:] == ["anyone?", "Whole."]


@case
def a_key_is_asked_for_and_kept():
    begin(key="s3cret")
    page.wait(lambda: page.one("#key-dialog").is_displayed())
    assert "needs a key" in page.text("#key-why")
    page.keys("wrong", Keys.ENTER)
    page.wait(lambda: "did not accept" in page.text("#key-why"))
    page.keys("s3cret", Keys.ENTER)
    page.wait(lambda: page.js("return document.getElementById('model').value") == "base")
    page.ask("hello")
    page.open(fake.url, keep=True)
    page.wait(lambda: page.js("return document.getElementById('model').value") == "base")
    fake.key = "new"
    page.ask("changed", wait=False)
    page.wait(lambda: page.one("#key-dialog").is_displayed())
    page.keys("new", Keys.ENTER)
    page.wait(lambda: len(page.messages()) == 4)
    page.idle()
    page.click("Settings")
    page.click("Forget the key")
    assert page.js("return localStorage.getItem('hone.key')") is None


# -- hostile text ------------------------------------------------------------------


@case
def no_text_becomes_markup():
    begin(parts=[HOSTILE[i:i + 7] for i in range(0, len(HOSTILE), 7)],
          models=[{"id": "<img src=x onerror=hurt=20>", "parent": None}])
    page.ask("<img src=x onerror='window.hurt = 21'> <script>hurt = 22</script>")
    fake.parts = [("reasoning", HOSTILE), HOSTILE]
    page.ask("[x](javascript:hurt=23)")
    fake.error = (500, "<img src=x onerror=hurt=24>")
    page.ask("more")
    page.open(fake.url, keep=True)
    assert page.js("return window.hurt ?? null") is None
    names = set(page.js("return [...document.querySelectorAll('#messages *')].map((n) => n.tagName.toLowerCase())"))
    assert not names & {"script", "img", "svg", "iframe", "style", "form", "input", "object", "embed"}, names
    attributes = set(page.js("return [...document.querySelectorAll('#messages *')].flatMap((n) => "
                             "n.getAttributeNames())"))
    assert not {a for a in attributes if a.startswith("on") or a in ("style", "src", "srcdoc")}, attributes
    links = page.js("return [...document.querySelectorAll('#messages a')].map((a) => [a.protocol, a.rel])")
    assert links and all(p == "https:" and "noopener" in rel for p, rel in links), links
    for node in page.all("#messages a"):
        page.js("arguments[0].removeAttribute('target'); arguments[0].addEventListener('click', "
                "(e) => e.preventDefault()); arguments[0].click()", node)
    assert page.js("return window.hurt ?? null") is None
    assert "<script>window.hurt = 1</script>" in page.messages()[1]


@case
def the_policy_holds_if_the_page_did_not():
    begin()
    tried = page.js("""
        const out = [];
        try { document.body.innerHTML += "<b>x</b>"; out.push("markup"); } catch {}
        try { document.createElement("script").text = "1"; out.push("script"); } catch {}
        try { document.createElement("iframe").srcdoc = "x"; out.push("frame"); } catch {}
        return out;""")
    assert tried == [], tried
    header = page.driver.execute_async_script(
        "fetch('/').then((r) => arguments[0](r.headers.get('content-security-policy')))")
    assert "default-src 'none'" in header and "unsafe" not in header
    page.driver.get_log("browser")  # the violations that were tried


# -- the parts ---------------------------------------------------------------------


@case
def markdown_becomes_these_elements():
    begin()
    for text, want in {
        "a *b* **c** ***d*** ~~e~~ `f*g*`": "<p>a <em>b</em> <strong>c</strong> <em><strong>d</strong></em> "
                                            "<del>e</del> <code>f*g*</code></p>",
        "snake_case_name 2 * 3 * 4 \\*x\\*": "<p>snake_case_name 2 * 3 * 4 *x*</p>",
        "one\ntwo\n\nthree": "<p>one<br>two</p>\n<p>three</p>",
        "# Title\ntext": '<h4 class="level1">Title</h4><p>text</p>',
        "Under\n---": '<h5 class="level2">Under</h5>',
        "- a\n- b\n  - c\n- d": "<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>",
        "Say:\n1. x\n2. y": '<p>Say:</p>\n<ol><li>x</li><li>y</li></ol>',
        "3. x\n\n4. y": '<ol start="3"><li><p>x</p></li><li><p>y</p></li></ol>',
        "1. a\n   ```\n   x\n\n   y\n   ```\n2. b":
            '<ol><li>a<figure class="code"><pre tabindex="0" role="region" aria-label="code"><code>x\n\ny</code></pre>'
            "</figure></li><li>b</li></ol>",
        "> q\n> *r*": "<blockquote><p>q<br><em>r</em></p></blockquote>",
        "| a | b |\n|---|--:|\n| 1 | x\\|y |\n| 2 |":
            '<div class="table" tabindex="0" role="region" aria-label="table"><table><thead><tr><th>a</th>'
            '<th class="right">b</th></tr></thead><tbody><tr><td>1</td><td class="right">x|y</td></tr><tr><td>2</td>'
            '<td class="right"></td></tr></tbody></table></div>',
        "```py\nif x:\n    <y>\n```\nend":
            '<figure class="code"><pre tabindex="0" role="region" aria-label="py code"><code>if x:\n    &lt;y&gt;</code>'
            "</pre></figure>\n<p>end</p>",
        "[t](https://e.example/a_(b) \"x\")": '<p><a href="https://e.example/a_(b)" rel="noopener noreferrer" '
                                               'target="_blank">t</a></p>',
        "see https://e.example/x.": '<p>see <a href="https://e.example/x" rel="noopener noreferrer" target="_blank">'
                                    "https://e.example/x</a>.</p>",
        "[t](ftp://x) [u](/v)": "<p>[t](ftp://x) [u](/v)</p>",
        "a &lt; b &unknown; <b>": "<p>a &lt; b &amp;unknown; &lt;b&gt;</p>",
        "- [x] done": '<ul><li><span role="img" aria-label="done">☑ </span>done</li></ul>',
        "***\n**open": "<hr>\n<p>**open</p>",
    }.items():
        got = render(text)
        assert re.sub(r"\n", "", got) == re.sub(r"\n", "", want), f"{text!r}:\n{got}\nexpected\n{want}"


@case
def markdown_in_pieces_is_markdown_at_once():
    begin()
    text = (HOSTILE + "\n\n- a\n- b\n\n  more\n\n```c\n\nint x;\n~~~\n```\n1. one\n   - two\n\nEnd *now*.\n\n") * 12
    whole = render(text)
    for piece in (1, 3, 17, 1000):
        assert render(text, piece) == whole, piece


@case
def long_answers_cost_what_they_are_long():
    begin()
    for shape in ["one line without end ", "- an item of a list\n", "| a | b |\n|---|---|\n", "> quoted\n",
                  "[[[[*_`", "](", "**a", "![](x", "<http:", "`a``b```", "    - ", "#", "~~~`"]:
        cost = page.module("""
            return [100000, 200000].map((n) => {
              const root = document.createElement("div"), view = new markdown.MarkdownView(root);
              const text = given[0].repeat(Math.ceil(n / given[0].length));
              for (let i = 0; i < text.length; i += 64) view.append(text.slice(i, i + 64));
              view.end();
              return view.draws;
            });""", shape)
        assert cost[1] < 2.3 * cost[0], (shape, cost)


@case
def events_survive_any_border():
    begin(parts=["Grüße, 世界 🌍 ", "\u2028next", "\r\nend"], bytewise=True)
    page.ask("hello")
    assert page.saved()[0]["messages"][1]["content"] == "Grüße, 世界 🌍 \u2028next\r\nend"
    got = page.module("""
        const text = ": c\\r\\ndata: a\\ndata:b\\r\\n\\r\\nevent: x\\rdata:  c\\r\\rdata\\n\\n: d\\n\\ndata: lost";
        const results = new Set();
        for (let size = 1; size <= text.length; size++) {
          const parser = new sse.SseParser(), events = [];
          for (let i = 0; i < text.length; i += size) events.push(...parser.push(text.slice(i, i + size)));
          results.add(JSON.stringify(events));
        }
        return [...results];""")
    assert got == ['["a\\nb"," c",""]'], got


# -- how it is used ----------------------------------------------------------------

RICH = """# A heading

Some text with `code`, a [link](https://example.org), **strong** words and a list:

1. first
2. second
   - below

| column | another column | numbers |
|---|---|---:|
| a cell | some longer words in a cell | 12345 |

```python
def f(x):
    return "a line of code that is far too long for the width of a phone, or of most columns" + x
```

> quoted

averyveryveryverylongwordaveryveryveryverylongwordaveryveryveryverylongwordaveryveryveryverylongword"""


@case
def nothing_scrolls_sideways_at_320_pixels():
    begin(parts=[RICH])
    try:
        page.ask("Show me everything that Markdown has, and averylongwordaverylongwordaverylongwordaverylongword")
        shot("desktop-light")
        page.size(320, 640)
        page.open(fake.url, keep=True)
        assert page.js("return document.documentElement.scrollWidth") <= 320
        assert page.js("return document.getElementById('log').scrollWidth <= document.getElementById('log').clientWidth")
        for selector in ("#input", "#send", "#model", "#open-settings", "#toggle-side"):
            box = page.one(selector).rect
            assert 0 <= box["x"] and box["x"] + box["width"] <= 320 and box["height"] >= 24, (selector, box)
        shot("phone")
        assert not page.one("#side").is_displayed()
        page.one("#toggle-side").click()
        assert page.one("#side").is_displayed()
        assert page.js("return document.documentElement.scrollWidth") <= 320
        shot("phone-list")
        page.keys(Keys.ESCAPE)
        assert not page.one("#side").is_displayed()
        page.one("#open-settings").click()
        assert page.js("const d = document.getElementById('settings'); return d.scrollWidth <= d.clientWidth")
        shot("phone-settings")
        page.chord(Keys.ESCAPE)
        page.cdp("Emulation.setTouchEmulationEnabled", enabled=True)
        page.wait(lambda: page.js("return matchMedia('(pointer: coarse)').matches"))
        page.one("#input").send_keys("one", Keys.ENTER, "two")
        assert page.js("return document.getElementById('input').value") == "one\ntwo"
        page.click("Send")
        page.idle()
        assert fake.bodies[-1]["messages"][-1]["content"] == "one\ntwo"
    finally:
        page.cdp("Emulation.setTouchEmulationEnabled", enabled=False)
        page.cdp("Emulation.clearDeviceMetricsOverride")


@case
def dark_and_light_with_contrast():
    begin(parts=[("reasoning", "Thought."), RICH])
    page.ask("Show me everything")
    contrast = """
        const rgb = (c) => c.match(/[\\d.]+/g).map(Number);
        const light = (c) => rgb(c).slice(0, 3).map((v) => v / 255)
          .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
          .reduce((a, v, i) => a + v * [0.2126, 0.7152, 0.0722][i], 0);
        const back = (n) => {
          for (; n; n = n.parentElement) {
            const c = getComputedStyle(n).backgroundColor;
            if (rgb(c)[3] !== 0) return c;
          }
          return "rgb(255, 255, 255)";
        };
        const bad = [];
        for (const n of document.querySelectorAll("body *")) {
          if (!n.checkVisibility() || n.closest(".skip, .hidden, noscript") || n.disabled) continue;
          if (![...n.childNodes].some((t) => t.nodeType === 3 && t.data.trim())) continue;
          const [a, b] = [light(getComputedStyle(n).color), light(back(n))];
          const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          if (ratio < 4.5) bad.push(`${n.tagName} ${n.className} ${n.textContent.slice(0, 20)} ${ratio}`);
        }
        return bad;"""
    back = lambda: page.js("return getComputedStyle(document.body).backgroundColor")
    try:
        page.colours("light")
        assert back() == "rgb(255, 255, 255)"
        assert page.js(contrast) == []
        page.colours("dark")
        dark = back()
        assert dark == "rgb(23, 25, 26)"
        assert page.js(contrast) == []
        shot("desktop-dark")
        page.one("#theme option[value=light]").click()
        assert back() == "rgb(255, 255, 255)"
        page.colours("light")
        page.one("#theme option[value=dark]").click()
        page.open(fake.url, keep=True)
        assert back() == dark
        page.one("#theme option[value='']").click()
        assert back() == "rgb(255, 255, 255)"
    finally:
        page.colours("")


@case
def everything_works_by_keys():
    begin()
    for _ in range(30):  # the page begins in the message; the link is before everything else
        page.chord(Keys.SHIFT, Keys.TAB)
        if page.js("return document.activeElement.className") == "skip":
            break
    page.wait(lambda: page.js("return document.activeElement.getBoundingClientRect().top") >= 0)
    page.keys(Keys.ENTER)
    focus = lambda: page.js("return document.activeElement.id")
    page.wait(lambda: focus() == "input")
    page.keys("line one", Keys.SHIFT + Keys.ENTER + Keys.NULL, "line two", Keys.ENTER)
    page.idle()
    assert fake.bodies[0]["messages"][0]["content"] == "line one\nline two"
    assert focus() == "input"
    page.keys(Keys.ARROW_UP)
    assert page.js("return document.activeElement.ariaLabel") == "Edit message"
    page.keys(" edited", Keys.ENTER)
    page.idle()
    assert fake.bodies[1]["messages"][0]["content"] == "line one\nline two edited"
    page.chord(Keys.ALT, "k")
    assert focus() == "search"
    page.chord(Keys.ALT, "n")
    assert focus() == "input" and page.messages() == []
    page.chord(Keys.ALT, "s")
    assert page.one("#settings").is_displayed()
    page.chord(Keys.ESCAPE)
    assert not page.one("#settings").is_displayed()
    page.js("document.activeElement.blur()")
    page.chord("?")
    assert page.one("#keys").is_displayed()
    page.chord(Keys.ESCAPE)
    page.js("document.activeElement.blur()")
    page.chord("/")
    assert focus() == "input"
    page.click("line one", "#list")
    page.js("document.activeElement.blur()")
    seen = set()
    for _ in range(60):
        page.chord(Keys.TAB)
        name, outline = page.js("const n = document.activeElement, s = getComputedStyle(n); return [n.id || "
                                "n.ariaLabel || n.textContent.slice(0, 30), s.outlineStyle !== 'none' && "
                                "parseFloat(s.outlineWidth) >= 2 || n === document.body]")
        assert outline, f"no visible focus on {name}"
        seen.add(name)
    for want in ("new", "search", "model", "open-settings", "input", "theme", "export", "log"):
        assert want in seen, (want, seen)
    for want in ("Copy answer", "Edit message", "Rename conversation"):
        assert any(name.startswith(want) for name in seen), (want, seen)


@case
def screen_readers_find_names_and_hear_answers_once():
    begin(parts=[("reasoning", "hm"), *[f"word{i} " for i in range(20)], ("wait", 0.3), "\n\n" + RICH])
    page.js("window.heard = []; new MutationObserver(() => heard.push(document.getElementById('spoken').textContent))"
            ".observe(document.getElementById('spoken'), {childList: true, subtree: true, characterData: true})")
    page.ask("hello")
    heard = page.js("return heard")
    assert len(heard) == 1 and heard[0].startswith("Answer: word0 word1"), heard
    assert page.js("return [...document.querySelectorAll('#messages, #log')].every((n) => !n.ariaLive)")

    def names():
        controls = {"button", "link", "textbox", "searchbox", "combobox", "spinbutton", "checkbox", "dialog",
                    "navigation", "region", "article", "DisclosureTriangle"}
        nodes = [n for n in page.cdp("Accessibility.getFullAXTree")["nodes"] if not n["ignored"]]
        found = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes]
        nameless = [f for f in found if f[0] in controls and not f[1].strip()]
        assert not nameless, nameless
        return found

    found = names()
    roles = {role for role, _ in found}
    assert {"main", "navigation", "banner"} & roles >= {"main", "navigation"}, roles
    for want in (("textbox", "Message"), ("button", "Send"), ("combobox", "Model"), ("searchbox", "Search conversations"),
                 ("button", "Copy answer"), ("button", "Copy python code"), ("article", "You")):
        assert want in found, (want, found)
    for opener, role in (("#open-settings", "spinbutton"), ("#show-keys", "dialog")):
        page.one(opener).click()
        assert role in {r for r, _ in names()}
        if opener == "#open-settings":
            shot("settings")
        page.chord(Keys.ESCAPE)
    ids = page.js("return [...document.querySelectorAll('[id]')].map((n) => n.id)")
    assert len(ids) == len(set(ids))
    assert page.js("return document.documentElement.lang") == "en"


@case
def the_console_is_silent():
    assert page.read_console() == [], page.console


page.driver.quit()
finish()
