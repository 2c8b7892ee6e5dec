"""People log in, see what the agent saw, change it and decide, in a real browser; what is in a field stays text."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import Locator

from holdfast.approvals.answers import Approve
from holdfast.approvals.case import Person
from holdfast.clock import to_datetime
from tests.console.agents import carry_out, inquire, mend
from tests.console.browser import browsing, needs_browser, visit
from tests.server.house import House, asked, asked_by, asked_when, result, served, settle

pytestmark = needs_browser
SCRIPT = "</script></textarea><script>alert(1)</script><img src=x onerror=alert(2)>'\"><svg onload=alert(3)>{{ 7*7 }}"


async def test_log_in_read_the_context_edit_the_plan_approve_and_the_run_goes_on_with_it(built: House) -> None:
    approval = await asked(built, carry_out("bring the pump"))
    async with served(built) as url, browsing() as browser:
        ann = await visit(browser, built, url, "ann")
        await ann.follow(ann.page.get_by_role("link", name="Plan"))
        read = await ann.text()
        for known in ("the claim is above the limit", "LOOKED AT BRING THE PUMP", "confidence", "0.72", "900"):
            assert known in read
        await ann.page.get_by_text("Change it, and approve").click()
        await ann.page.get_by_label("budget").fill("450")
        await ann.page.get_by_label("urgent").check()
        await ann.page.get_by_label("stops").fill('["depot", "dyke"]')
        await ann.follow(ann.page.get_by_role("button", name="Approve with changes"))
        await ann.page.get_by_text("Approved by ann").wait_for()
        assert ann.faults == []
    assert await result(built, approval.run_id) == (
        '{"goal":"bring the pump","budget":450,"urgent":true,"route":null,"stops":["depot","dyke"]} by ann'
    )


async def test_a_case_that_was_passed_on_shows_its_way_its_deadline_and_the_runs_files(built: House) -> None:
    run = await built.start(mend("dry the cellar", "wet <b>walls</b>"))
    approval = await asked_when(built, run, lambda one: one.to == ("role:lead",))
    async with served(built) as url, browsing() as browser:
        lea = await visit(browser, built, url, "lea", "lead")
        assert "asked of role:lead" in await lea.text()
        await lea.open(f"/inbox/{approval.id}")
        way = lea.page.get_by_role("region", name="Who was asked before, and what the deadline does")
        first, last = await way.get_by_role("listitem").all_inner_texts()
        assert first.endswith("from role:adjuster to role:lead, by deadline: nobody decided in time")
        assert last == "at the deadline: it is rejected"
        due = lea.page.locator("time").filter(has_text=re.compile(r"^(2 h|1\d\d min|\d+ min) left$"))
        assert approval.due_at is not None
        assert await due.get_attribute("datetime") == to_datetime(approval.due_at).isoformat()
        files = lea.page.get_by_role("region", name="Its files")
        assert await files.inner_text() == "Its files\nsurvey <1>.txt 16 Bytes"
        there = await files.get_by_role("link").get_attribute("href")
        assert await (await lea.page.request.get(f"{url}{there}")).text() == "wet <b>walls</b>"
        assert lea.faults == []


async def test_whose_own_request_it_is_may_reject_it_and_not_hand_it_on(built: House) -> None:
    run = await built.start(carry_out("bring the pump"), by="ann")
    await asked_by(built, run)
    async with served(built) as url, browsing() as browser:
        ann = await visit(browser, built, url, "ann")
        await ann.follow(ann.page.get_by_role("link", name="Plan"))
        assert "You may not approve it: they have started the run" in await ann.text()
        for name in ("Approve as it is", "Approve with changes", "Hand it on"):
            assert await ann.page.get_by_role("button", name=name, include_hidden=True).count() == 0
        await ann.page.get_by_text("Reject", exact=True).first.click()
        await ann.page.get_by_label("Why? The agent is told").fill("not needed any more")
        await ann.page.get_by_role("button", name="Reject").click()
        await ann.page.get_by_text("Rejected by ann").wait_for()
    assert await result(built, run) == "rejected: not needed any more"


async def test_script_in_every_field_is_shown_as_text(built: House) -> None:
    approval = await asked(built, carry_out(SCRIPT, SCRIPT, stops=[SCRIPT]))
    question = await asked(built, inquire(SCRIPT))
    async with served(built) as url, browsing() as browser:
        ann = await visit(browser, built, url, "ann")
        assert SCRIPT in " ".join((await ann.text()).split())
        for path in (f"/inbox/{approval.id}", f"/inbox/{question.id}", f"/inbox/chosen?chosen={approval.id}"):
            await ann.open(path)
            assert SCRIPT in await ann.text()
            assert await ann.page.locator("main img, main svg, main script").count() == 0
        await ann.open(f"/inbox/{approval.id}")
        await ann.page.get_by_text("Change it, and approve").click()
        assert await ann.page.get_by_label("goal").input_value() == SCRIPT
        await ann.open(f"/inbox?agent={SCRIPT}&state={SCRIPT}&after={SCRIPT}")
        assert ann.faults == []


async def test_of_two_browsers_one_wins_and_the_other_is_told_who_and_when(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    async with served(built) as url, browsing() as browser:
        both = [await visit(browser, built, url, name, java_script_enabled=False) for name in ("ann", "bo")]
        for one in both:
            await one.open(f"/inbox/{approval.id}")
        await asyncio.gather(*(one.follow(one.page.get_by_role("button", name="Approve as it is")) for one in both))
        told = [await one.text() for one in both]
        lost = [text for text in told if "Nothing was done with what you sent" in text]
        assert len(lost) == 1
        winner = "bo" if told[0] == lost[0] else "ann"
        assert f"was approved by {winner} at 20" in lost[0]
    assert await result(built, approval.run_id) == f"paid 90 by {winner}"


async def test_a_case_that_moves_says_so_and_what_is_typed_stays(built: House) -> None:
    approval = await asked(built, carry_out("bring the pump", quorum=2))
    async with served(built) as url, browsing() as browser:
        ann = await visit(browser, built, url, "ann")
        async with ann.page.expect_response("**/api/events"):
            await ann.open(f"/inbox/{approval.id}")
        await ann.page.get_by_text("Reject", exact=True).first.click()
        await ann.page.get_by_label("Why? The agent is told").fill("the pump is ours")
        bo = Person(name="bo", roles=frozenset({"adjuster"}))
        await built.api.state.house.desk.decide(bo, approval.id, Approve(edits={"budget": 1}), digest=approval.digest)
        await ann.page.get_by_text("This case has moved on").wait_for()
        assert await ann.page.get_by_label("Why? The agent is told").input_value() == "the pump is ours"
        await ann.page.get_by_role("button", name="Reject").click()
        await ann.page.get_by_text("It was changed by bo").wait_for()
        assert await ann.page.get_by_label("Why? The agent is told").input_value() == "the pump is ours"
        await ann.page.get_by_role("button", name="Reject").click()  # of what it is now
        await ann.page.get_by_text("Rejected by ann").wait_for()
    assert await result(built, approval.run_id) == "rejected: the pump is ours"


async def test_new_cases_appear_by_themselves_and_what_is_chosen_stays(built: House) -> None:
    await asked(built, settle("c-1"))
    async with served(built) as url, browsing() as browser:
        ann = await visit(browser, built, url, "ann")
        await ann.page.get_by_role("checkbox").check()
        await asked(built, carry_out("bring the pump", risk=90))
        await ann.page.get_by_role("link", name="Plan").wait_for()
        boxes = ann.page.get_by_role("checkbox")
        assert [await boxes.nth(n).is_checked() for n in range(2)] == [False, True]


async def test_it_works_without_javascript_and_enter_decides_nothing(built: House) -> None:
    approval, other = await asked(built, settle("c-1")), await asked(built, settle("c-2"))
    async with served(built) as url, browsing() as browser:
        ann = await visit(browser, built, url, "ann", java_script_enabled=False)
        await ann.open(f"/inbox/{approval.id}")
        await ann.page.get_by_text("Change it, and approve").click()
        await ann.page.get_by_label("amount").fill("7")
        await ann.page.get_by_label("amount").press("Enter")
        assert await built.store.approval(approval.id) == approval
        await ann.follow(ann.page.get_by_role("button", name="Approve as it is"))
        assert "you changed something" in await ann.text()
        assert await ann.page.get_by_label("amount").input_value() == "7"
        await ann.follow(ann.page.get_by_role("button", name="Approve with changes"))
        assert "Approved by ann" in await ann.text()
        await ann.open("/inbox")
        await ann.page.get_by_role("checkbox").check()
        await ann.follow(ann.page.get_by_role("button", name="Approve…"))
        await ann.follow(ann.page.get_by_role("button", name="Approve it"))
        assert "Recorded: 1 case" in await ann.text()
    assert [await result(built, one.run_id) for one in (approval, other)] == ["paid 7 by ann", "paid 90 by ann"]


async def test_on_a_phone_nothing_is_cut_off_and_what_was_done_is_read_downwards(built: House) -> None:
    approval = await asked(built, carry_out("x" * 500, "y" * 500))
    async with served(built) as url, browsing() as browser:
        ann = await visit(browser, built, url, "ann", viewport={"width": 390, "height": 844})
        for path in ("/inbox", f"/inbox/{approval.id}"):
            await ann.open(path)
            assert await ann.page.evaluate("document.documentElement.scrollWidth") == 390
        journal = ann.page.get_by_role("region", name="Journal")
        assert await journal.evaluate("it => it.scrollWidth <= it.clientWidth")
        boxes = [await cell.bounding_box() for cell in await journal.get_by_role("cell").all()]
        tops = [box["y"] for box in boxes if box]
        assert tops == sorted(set(tops))


async def test_what_is_decided_stays_in_view_beside_a_long_case_and_below_a_long_list(built: House) -> None:
    approval = await asked(built, carry_out("bring the pump", "why " * 3000))
    for n in range(9):
        await asked(built, settle(f"c-{n}"))
    async with served(built) as url, browsing() as browser:
        ann = await visit(browser, built, url, "ann", viewport={"width": 1200, "height": 700})
        approve = ann.page.get_by_role("button", name="Approve…")
        assert await in_view(approve)
        await ann.open(f"/inbox/{approval.id}")
        await ann.page.mouse.wheel(0, 900)
        await ann.page.wait_for_function("scrollY >= 900")
        assert await in_view(ann.page.get_by_role("button", name="Approve as it is"))


async def test_headings_descend_and_text_of_other_directions_keeps_to_itself(built: House) -> None:
    approval = await asked(built, carry_out("مطالبة-77", "تضرر السقف"))
    async with served(built) as url, browsing() as browser:
        ann = await visit(browser, built, url, "ann")
        levels = await ann.page.locator("h1, h2, h3").evaluate_all("all => all.map(one => one.tagName)")
        assert levels == ["H1", "H2"]
        await ann.open(f"/inbox/{approval.id}")
        why = ann.page.get_by_text("تضرر السقف", exact=True).first
        assert await why.evaluate("it => getComputedStyle(it).direction") == "rtl"


async def in_view(button: Locator) -> bool:
    box = await button.bounding_box()
    return box is not None and 0 <= box["y"] <= box["y"] + box["height"] <= 700
