"""A headless Chromium on the page, and what a user does there."""
import json
import time

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.chrome.service import Service

PATIENCE_S = 120  # of a loaded machine


class Page:
    def __init__(self, driver="/usr/bin/chromedriver"):
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
                         "--disable-gpu", "--window-size=1200,850", "--lang=en"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        self.driver.set_script_timeout(PATIENCE_S)
        self.console = []

    def open(self, url, keep=False):
        """The page, with an empty store unless it is to be kept."""
        self.driver.get(url + "/web/theme.js" if not keep else url)
        if not keep:
            self.js("localStorage.clear(); sessionStorage.clear()")
            self.driver.get(url)
        self.wait(lambda: self.js("return document.getElementById('title') !== null && "
                                  "document.querySelector('#toggle-side[aria-expanded]') !== null"))

    def js(self, code, *values):
        return self.driver.execute_script(code, *values)

    def module(self, code, *values):
        """Run code with the modules of the page: `markdown`, `inline`, `sse`, `store`."""
        result = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1], given = [...arguments].slice(0, -1);"
            "Promise.all(['markdown', 'inline', 'sse', 'store'].map((n) => import(`/web/${n}.js`)))"
            ".then(([markdown, inline, sse, store]) => {" + code + "})"
            ".then((x) => done({x}), (e) => done({e: String(e.stack)}))", *values)
        assert "e" not in result, result["e"]
        return result["x"]

    def cdp(self, command, **values):
        return self.driver.execute_cdp_cmd(command, values)

    def wait(self, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, "waited in vain; the page says:\n" + self.text("body")
            time.sleep(0.1)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.js("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def click(self, label, within="body"):
        """The visible button of this accessible name, or one that begins with it."""
        for node in self.all(f"{within} button[aria-label^='{label}']") + self.all(f"{within} button"):
            if node.is_displayed() and (node.get_attribute("aria-label") or node.text).startswith(label):
                node.click()
                return
        raise AssertionError(f"no button {label}")

    def keys(self, *keys):
        """Keys to whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def chord(self, *keys):
        chain = webdriver.ActionChains(self.driver)
        for key in keys[:-1]:
            chain.key_down(key)
        chain.send_keys(keys[-1])
        for key in reversed(keys[:-1]):
            chain.key_up(key)
        chain.perform()

    def idle(self):
        self.wait(lambda: self.one("#send").is_displayed())

    def ask(self, text, wait=True):
        self.one("#input").send_keys(text.replace("\n", Keys.SHIFT + Keys.ENTER + Keys.NULL), Keys.ENTER)
        if wait:
            self.idle()

    def messages(self):
        return self.js("return [...document.querySelectorAll('.message .text')].map((n) => n.innerText)")

    def saved(self):
        """The conversations in the store."""
        return [json.loads(x) for x in self.js(
            "return Object.entries(localStorage).filter(([k]) => k.startsWith('hone.chat.')).map(([, v]) => v)")]

    def size(self, width, height):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=False)

    def colours(self, scheme):
        self.cdp("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": scheme}])

    def read_console(self):
        """What the browser complained about, but for replies that tests ask for."""
        self.console += [e["message"] for e in self.driver.get_log("browser")
                         if "Failed to load resource" not in e["message"]
                         and "net::ERR_" not in e["message"]]
        return self.console
