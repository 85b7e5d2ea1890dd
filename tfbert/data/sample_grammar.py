"""Synthetic app reviews: a small grammar of praise and complaint about fifteen invented productivity apps.

No sentence is anybody's: all are expanded from the rules below. What makes real reviews hard is put in on purpose:
mixed feelings, negation, praise for what an app used to be, irony, typing mistakes, emoji, short texts that many people
write, and stars that do not match the words.
"""

import datetime
import random
import re

REVIEW_COLUMNS = (
    "userName",
    "userImage",
    "content",
    "score",
    "thumbsUpCount",
    "reviewCreatedVersion",
    "at",
    "replyContent",
    "repliedAt",
    "sortOrder",
    "appId",
)
APP_COLUMNS = ("title", "installs", "score", "ratings", "reviews", "genre", "appId")

APPS = {
    "Taskwren": "lists and plans",
    "Dayloom": "weave your week",
    "Listelier": "shopping and to-do lists",
    "Plannimal": "planner with pets",
    "Habitreef": "grow your habits",
    "Minutella": "time tracker",
    "Notebarn": "notes and outlines",
    "Focusfern": "focus timer",
    "Rosterly": "shifts and rosters",
    "Chorequest": "chores as a game",
    "Agendove": "calendar and agenda",
    "Remindaroo": "reminders that hop",
    "Kanbanjo": "boards for teams",
    "Weekwise": "weekly planner",
    "Tickmole": "dig through your tasks",
}

# {name} stands for a rule, chosen anew each time. Sentences end in a full stop; noise may take it away.
RULES: dict[str, str] = {
    "part": """calendar|widget|home screen widget|task list|dark theme|search|backup|login|timer|export|weekly view|
        month view|sync|reminder sound|note editor|start page|settings page|notification|habit tracker|shopping list|
        drag and drop|tablet layout|web version|desktop version|share button|free version|premium version|new design|
        interface|voice input|repeat option|statistics page|checklist|snooze button|password lock|cloud backup""",
    "parts": """reminders|notifications|widgets|lists|tasks|notes|repeating tasks|subtasks|due dates|colours|labels|
        folders|categories|alarms|statistics|themes|sounds|templates|attachments|shared lists|filters|shortcuts""",
    "event": """the last update|the newest version|the update in March|I changed my phone|the redesign|version 4|
        I bought premium|last week|yesterday|the Android update|I reinstalled it""",
    "period": """two years|a few months|three weeks|five years|about a month|a week|ten days|half a year|a long time|
        almost a year|two days""",
    "device": "phone|tablet|laptop|old phone|new phone|watch|work phone|computer",
    "use": """for work|at university|with my family|for school|every day|for shopping|with my team|
        for my small business|at home|for my workouts|to plan meals|for my medicine|as a {job}|as a busy {job}|
        to plan {occasion}|to prepare {occasion}|for my {hobby}|to keep track of my {hobby}""",
    "job": """nurse|teacher|student|plumber|gardener|driver|baker|lawyer|writer|parent|grandmother|musician|carpenter|
        nanny|pilot|chef|farmer|photographer|accountant|engineer|dentist|cleaner|waiter|painter|coach|midwife|florist|
        librarian|electrician|tailor""",
    "occasion": """a wedding|our holidays|birthdays|exams|a house move|dinner parties|the school year|deliveries|
        meetings|night shifts|a long journey|rehearsals|the harvest|doctor visits|bills and rent|a conference|
        the renovation|club evenings|lessons|invoices""",
    "hobby": """garden|chickens|pottery|choir|marathon training|stamp collection|knitting|guitar practice|fishing trips|
        chess club|bicycle repairs|aquarium|book club|bee hives|language course|sewing|model trains|climbing|
        volunteer work|mushroom hunts""",
    "rival": "a paper notebook|the calendar I had before|a plain text file|another app|sticky notes|my old planner",
    "good": """great|excellent|wonderful|very good|fantastic|lovely|amazing|brilliant|superb|perfect|really nice|
        awesome""",
    "bad": """terrible|awful|horrible|useless|very bad|dreadful|a mess|a joke|poor|broken|a disaster|rubbish|
        frustrating""",
    "fair": "okay|decent|average|alright|so so|acceptable|fine|not special|usable",
    "very": "really|very|so|extremely|absolutely|truly",
    "praise": """the {part} is {good}|the {parts} are {good}|I love the {part}|I {very} like the {parts}|
        the {part} works without any problem|it helps me remember everything|it keeps me organised {use}|
        everything syncs at once with my {device}|it is easy to use {use}|setting up the {parts} takes seconds|
        I have never missed an appointment since {event}|it has not crashed once in {period}|
        no ads, and nothing important is locked|the design is clean and simple|
        support answered within an hour and solved it|the {parts} never fail me|
        it does exactly what I need {use}|I could not live without the {part}|it beats {rival}|
        finally an app that does not bother me with ads|the {part} got better after {event}|
        worth every cent|my whole family uses it|it made me much more productive|
        the {parts} are simple and quick|I use it {use} and it never lets me down|
        nothing else I tried is as good as this|the {part} is a pleasure to use|not a single bug in {period}|
        I recommend it to all my friends|the best planner I have found|it starts fast and uses little battery""",
    "complaint": """the {part} is {bad}|the {parts} are {bad}|the {part} does not work|the {parts} do not work any more|
        I hate the {part}|it crashes every time I open the {part}|since {event} it will not even start|
        it lost all my {parts}|the {parts} never arrive on time|it does not sync with my {device}|
        every second tap shows an ad|they want money for the {part} now|the {part} was removed without a word|
        I cannot log in since {event}|support never answers|I paid and got nothing|it drains my battery|
        it is far too expensive for what it does|the {part} freezes all the time|I missed an appointment because of it|
        it asks for a rating every day|it is slow and full of bugs|the {parts} disappear after {event}|
        you cannot even delete the {parts}|it forces you to make an account|it keeps logging me out|
        {rival} is better than this|the {part} got worse after {event}|nothing works since {event}|
        I want my money back|it is so confusing that I gave up|all the good parts are locked behind a subscription|
        it deleted my {parts} and nobody cares""",
    "minor": """the {part} could be a bit faster|the {parts} take some time to learn|I wish the {part} had more colours|
        the {part} is missing on my {device}|it would be nice to sort the {parts}|a {part} for the watch would be great|
        please add more {parts}|the {part} hides in the menu|the price is a little high|
        I would like to move {parts} between lists|one more size for the {part} would help""",
    "plain": """it is {fair}|the app is {fair}, nothing more|the {part} is {fair}|the {parts} are {fair}|
        it does some things well and others not|I am not sure yet if I will keep it|
        I have used it for {period} and I am still undecided|it has the usual {parts}|not bad, not great|
        it is like {rival}|some days it works, some days it does not|it does the basics {use}|
        there are better ones and there are worse ones|it could be good with a better {part}|
        I expected more from the {part}|good idea, but the {part} needs work|
        I will change my stars if they fix the {part}|
        it is a bit too simple {use}|I only use the {part}""",
    "past_praise": """it used to be {good}|I loved it for {period}|this was my favourite app|
        the old version was {good}|for {period} the {part} was {good}|I gave it five stars before|
        I was so happy with the {part}""",
    "hope": """I wanted to like it|it looked {good} in the pictures|the idea is {good}|
        I hoped it would keep me organised|all my friends recommend it|it sounded perfect {use}""",
    "open_good": """Love this app.|Best app ever.|So happy with it.|Really {good}.|Simply {good}.|Wow, just {good}.|
        I have used it for {period}.|Thank you for this app.|Five stars from me.|{app} is {good}.""",
    "open_bad": """Do not install this.|What a waste of time.|Very disappointed.|Worst app I have tried.|Simply {bad}.|
        I have used it for {period}.|Zero stars if I could.|Unbelievable.|{app} is {bad}.|Oh great, another update.""",
    "close_good": """Keep up the good work!|Highly recommended.|Thank you, developers!|Would buy it again.|
        I would not change a thing.|Get it, you will not regret it.|Can not complain.|Well done.""",
    "close_bad": """Uninstalling.|I want a refund.|Fix it!|Stay away.|Going back to {rival}.|Thanks for nothing.|
        I am looking for something else.|Great job, really.|Not worth it.|Please bring back the old version.""",
    "close_fair": """Please improve it.|Three stars for now.|Let us see what the next update brings.|Maybe later.|
        I will keep trying it.|It has potential.|Please fix this.""",
    "but": ", but |, however |, although | but |. But |, only ",
}

PLANS: dict[int, list[str]] = {
    1: [
        "{Complaint}. {Complaint}.",
        "{open_bad} {Complaint} and {complaint}. {close_bad}",
        "{Past_praise}{but}{complaint}. {Complaint}. {close_bad}",
        "{Complaint}, {complaint} and {complaint}. {Complaint}. Since {event} {complaint}. {close_bad}",
        "{Hope}{but}{complaint}. {Complaint}. I use it {use} and {complaint}.",
        "{open_bad} {Past_praise}. {Complaint}. Since {event} {complaint}. {Complaint}. {close_bad}",
        "{open_bad} I have used it {use} for {period} and {complaint}. {Complaint}, and {complaint}. {close_bad}",
    ],
    2: [
        "{Hope}{but}{complaint}. {Plain}. {close_fair}",
        "{Complaint}. {Minor}. {close_fair}",
        "{Past_praise}{but}since {event} {complaint}. {Complaint} and {complaint}. {close_bad}",
        "{Complaint} and {complaint}. {Praise}, that is all. {close_bad}",
        "{Complaint}. {Plain}. I tried it {use} for {period}{but}{complaint}. {Complaint}.",
        "{Praise}{but}{complaint}. {Complaint}. {Complaint}. {close_fair}",
        "{Past_praise}. {Complaint}. {Minor}. Since {event} {complaint}. {Complaint}.",
    ],
    3: [
        "{Plain}. {Minor}.",
        "{Praise}{but}{complaint}. {close_fair}",
        "{Plain}. {Praise}{but}{complaint}. {Minor}. {close_fair}",
        "{Plain}. {Plain}.",
        "{Praise}. {Plain}. {Minor}. I use it {use} and {plain}. {close_fair}",
        "{Complaint}, but {praise}. {Plain}. {close_fair}",
        "{Praise}. Since {event} {complaint}. {Plain}. {Minor}. {close_fair}",
        "{Hope}. {Plain}. {Minor}. On my {device} {praise}{but}{complaint}.",
    ],
    4: [
        "{Praise}. {Minor}. {close_fair}",
        "{open_good} {Praise}. {Praise}. {Minor}.",
        "{Plain} for some, but {praise} and {praise}. {Minor}.",
        "{open_good} I have it on my {device} and use it {use}{but}{minor}. {Praise}.",
        "{open_good} {Praise}{but}{minor}. {Praise}. Since {event} {praise}. {close_good}",
        "{Praise}. {Praise}{but}{complaint}. {Praise}, and {praise}. {close_fair}",
        "At first {complaint}, but they solved it. {Praise}. {Praise} and {praise}. {close_good}",
    ],
    5: [
        "{open_good} {Praise}.",
        "{Praise} and {praise}. {close_good}",
        "{open_good} {Praise}. {Praise}. I use it {use} on my {device} and {praise}. {close_good}",
        "{Praise}. {Praise}.",
        "{open_good} {Praise}, {praise} and {praise}. {Praise}. {close_good}",
        "{Praise}. Before {event} {complaint}, that is gone now. {Praise}. {Praise}. {close_good}",
        "{open_good} I tried {rival} for {period}{but}{praise} here. {Praise}. {Praise}, and {praise}.",
    ],
}

# Texts that many people write word for word, each with the stars that it comes with.
COMMON_TEXTS: dict[str, str] = {
    "Good app": "44553",
    "Great app!": "5554",
    "Love it": "5554",
    "Nice": "4435",
    "Very good": "4455",
    "Best app ever": "5555",
    "It's okay": "3334",
    "Average app": "333",
    "Not bad": "3344",
    "Could be better": "3332",
    "Needs work": "2233",
    "Doesn't work": "1112",
    "Worst app ever": "1111",
    "Waste of time": "1112",
    "Too many ads": "1223",
    "Useless": "1112",
}
FOREIGN_TEXTS: dict[str, str] = {
    "Muy buena aplicación, la uso todos los días": "5",
    "No funciona desde ayer, qué desastre": "1",
    "Ganz nett, aber es fehlt noch einiges": "3",
    "Sehr übersichtlich und schnell, danke!": "5",
    "Aplicativo travando direto depois da atualização": "2",
    "बहुत अच्छा ऐप है": "5",
    "यह ठीक है": "3",
    "تطبيق ممتاز وسهل": "5",
    "Очень удобно, спасибо": "5",
    "Не работает": "1",
    "とても使いやすいです": "5",
    "普通のアプリ": "3",
}
EMOJI = {"negative": "😡😠👎😞💔🙄", "neutral": "🤔😐🙂🤷", "positive": "👍😊😍🎉🙏🔥❤👌"}
REPLIES: dict[str, str] = {
    "negative": """Hi, we are sorry that the {part} gave you trouble. Please write to help@example.com and we will look
        into it.|Sorry to hear that. A fix for the {parts} comes with the next update.|
        Hello, could you tell us your device and
        version? We cannot repeat the problem with the {part}.|
        We are sorry for the trouble. Your {parts} can be restored
        from the cloud backup.""",
    "neutral": """Thank you for the honest words. What should we improve in the {part}?|Hi, thanks for your idea about
        the {parts}, it is on our list.|Thank you. The {part} changes in the next version, please have a look then.""",
    "positive": """Thank you so much for your kind words!|Hi, we are happy that you like the {part}. Have a great day!|
        Thanks for the stars! Tell us what you think of the new {parts}.""",
}

STAR_WEIGHTS = {1: 16, 2: 16, 3: 30, 4: 18, 5: 20}
_SENTIMENT = {1: "negative", 2: "negative", 3: "neutral", 4: "positive", 5: "positive"}


def generate_reviews(count: int, seed: int) -> list[dict[str, str]]:
    """Return `count` rows with the columns `REVIEW_COLUMNS`, in the order of their dates.

    The seed fixes every character: `random.Random` gives the same numbers on every machine; no global state is used.
    """
    draw = random.Random(seed)
    texts: list[tuple[str, int]] = []
    while len(texts) < count:
        text, stars = _text_with_stars(draw)
        if texts and draw.random() < 0.025:  # copied word for word, now and then with other stars
            text, stars = draw.choice(texts)
        if draw.random() < 0.06:
            stars = draw.choice([1, 2, 3, 4, 5])
        elif draw.random() < 0.1:
            stars = min(5, max(1, stars + draw.choice([-1, 1])))
        texts.append((text, stars))
    rows = []
    written = datetime.datetime(2026, 1, 1, 6, 0, 0)
    for text, stars in texts:
        written += datetime.timedelta(seconds=draw.randrange(60, 9000))
        replied = draw.random() < 1 / 3
        reply = _expand(draw, draw.choice(_alternatives(REPLIES[_SENTIMENT[stars]]))) if replied else ""
        rows.append(
            {
                "userName": "a synthetic user",
                "userImage": "",
                "content": text,
                "score": str(stars),
                "thumbsUpCount": str(int(draw.random() ** -0.5) - 1),
                "reviewCreatedVersion": draw.choice(["", "3.9.2", "4.0.0", "4.0.1", "4.1.0"]),
                "at": str(written),
                "replyContent": reply,
                "repliedAt": str(written + datetime.timedelta(hours=draw.randrange(2, 60))) if replied else "",
                "sortOrder": draw.choice(["most_relevant", "newest"]),
                "appId": _app_id(draw.choice(list(APPS))),
            }
        )
    return rows


def generate_apps(reviews: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return one row with the columns `APP_COLUMNS` for each invented app, its score the mean of its reviews."""
    rows = []
    for name, what in APPS.items():
        scores = [int(review["score"]) for review in reviews if review["appId"] == _app_id(name)]
        rows.append(
            {
                "title": f"{name}: {what}",
                "installs": "0",
                "score": f"{sum(scores) / len(scores):.2f}" if scores else "",
                "ratings": str(len(scores)),
                "reviews": str(len(scores)),
                "genre": "Productivity",
                "appId": _app_id(name),
            }
        )
    return rows


def _app_id(name: str) -> str:
    return f"example.{name.lower()}"


def _text_with_stars(draw: random.Random) -> tuple[str, int]:
    kind = draw.random()
    if kind < 0.05:
        text = draw.choice(list(COMMON_TEXTS))
        return text, int(draw.choice(COMMON_TEXTS[text]))
    if kind < 0.06:
        text = draw.choice(list(FOREIGN_TEXTS))
        return text, int(FOREIGN_TEXTS[text])
    stars = draw.choices(list(STAR_WEIGHTS), list(STAR_WEIGHTS.values()))[0]
    return _with_noise(draw, _expand(draw, draw.choice(PLANS[stars])), _SENTIMENT[stars]), stars


def _alternatives(rule: str) -> list[str]:
    # A rule written over several lines: a break after "|" is nothing, a break inside a sentence is a space.
    return re.sub(r"\n\s+", " ", re.sub(r"\|\n\s+", "|", rule)).split("|")


def _expand(draw: random.Random, text: str) -> str:
    """Replace each {rule} by one of its alternatives, {Rule} by one with a capital first letter."""

    def choose(match: re.Match[str]) -> str:
        name = match[1]
        if name == "app":
            return draw.choice(list(APPS))
        chosen = _expand(draw, draw.choice(_alternatives(RULES[name.lower()])))
        return chosen[0].upper() + chosen[1:] if name[0].isupper() else chosen

    return re.sub(r"\{(\w+)\}", choose, text)


def _with_noise(draw: random.Random, text: str, sentiment: str) -> str:
    if draw.random() < 0.3:
        words = text.split(" ")
        for place in draw.choices(range(len(words)), k=1 + len(words) // 12):
            words[place] = _with_typing_mistake(draw, words[place])
        text = " ".join(words)
    if draw.random() < 0.18:
        text = text.lower()
    elif draw.random() < 0.03:
        text = text.upper()
    if draw.random() < 0.12:
        text = re.sub(r"\.$", "!" * draw.randrange(1, 4), text)
    elif draw.random() < 0.2:
        text = text.rstrip(".")
    if draw.random() < 0.1:
        text += " " + draw.choice(EMOJI[sentiment]) * draw.choice([1, 1, 1, 2, 3])
    return text


def _with_typing_mistake(draw: random.Random, word: str) -> str:
    if len(word) < 4:
        return word
    place = draw.randrange(1, len(word) - 2)
    mistakes = (
        word[:place] + word[place + 1] + word[place] + word[place + 2 :],  # two letters change places
        word[:place] + word[place + 1 :],  # one is left out
        word[:place] + word[place] + word[place:],  # one is typed twice
    )
    return draw.choice(mistakes)
