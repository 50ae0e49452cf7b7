"""Templates for texts: classified, marked, answered."""

from __future__ import annotations

from mlpi.labels.templates.template import Template, said

_NEWS = "The river rose by two metres last night. Three villages were evacuated, the mayor said."
_REVIEW = "The kettle boils fast, but the lid came off after a week."
_PEOPLE = "Marie Curie worked in Paris for the Institut du Radium."
_LABELS = """    <Label value="Person" background="#d97757" hotkey="1"/>
    <Label value="Place" background="#4a90d9" hotkey="2"/>
    <Label value="Organisation" background="#7a9e3f" hotkey="3"/>
"""
_DOCUMENTS = "Texts"
_LANGUAGE = "Language models"


def _span(start: int, end: int, label: str, mark: str) -> dict[str, object]:
    value = {"start": start, "end": end, "text": _PEOPLE[start:end], "labels": [label]}
    return said("label", "text", "labels", value, mark)


TEXTS = (
    Template(
        "text-classification",
        "Text classification",
        _DOCUMENTS,
        "One class for each text.",
        """<View>
  <Text name="text" value="$text"/>
  <Choices name="topic" toName="text" choice="single" showInline="true" required="true">
    <Choice value="Politics" hotkey="1"/>
    <Choice value="Weather" hotkey="2"/>
    <Choice value="Sport" hotkey="3"/>
    <Choice value="Other" hotkey="4"/>
  </Choices>
</View>""",
        {"text": _NEWS},
        [said("topic", "text", "choices", {"choices": ["Weather"]})],
    ),
    Template(
        "text-tags",
        "Text with several classes",
        _DOCUMENTS,
        "Any number of classes for each text.",
        """<View>
  <Text name="text" value="$text"/>
  <Choices name="tags" toName="text" choice="multiple">
    <Choice value="Weather" hotkey="1"/>
    <Choice value="People in danger" hotkey="2"/>
    <Choice value="Quotes somebody" hotkey="3"/>
  </Choices>
</View>""",
        {"text": _NEWS},
        [said("tags", "text", "choices", {"choices": ["Weather", "Quotes somebody"]})],
    ),
    Template(
        "sentiment",
        "Sentiment",
        _DOCUMENTS,
        "Positive, negative or neutral, and how strongly.",
        """<View>
  <Header value="How does the author feel about it?"/>
  <Text name="text" value="$text"/>
  <Choices name="sentiment" toName="text" choice="single" showInline="true" required="true">
    <Choice value="Positive" hotkey="1"/>
    <Choice value="Neutral" hotkey="2"/>
    <Choice value="Negative" hotkey="3"/>
  </Choices>
  <Rating name="strength" toName="text" maxRating="5"/>
</View>""",
        {"text": _REVIEW},
        [
            said("sentiment", "text", "choices", {"choices": ["Neutral"]}),
            said("strength", "text", "rating", {"rating": 2}),
        ],
    ),
    Template(
        "named-entities",
        "Named entities",
        _DOCUMENTS,
        "Spans of text with a label each.",
        f"""<View>
  <Labels name="label" toName="text">
{_LABELS}  </Labels>
  <Text name="text" value="$text"/>
</View>""",
        {"text": _PEOPLE},
        [_span(0, 11, "Person", "a"), _span(22, 27, "Place", "b")],
    ),
    Template(
        "relations",
        "Relations between entities",
        _DOCUMENTS,
        "Spans, and lines between them with a name.",
        f"""<View>
  <Relations>
    <Relation value="works in"/>
    <Relation value="works for"/>
  </Relations>
  <Labels name="label" toName="text">
{_LABELS}  </Labels>
  <Text name="text" value="$text"/>
</View>""",
        {"text": _PEOPLE},
        [
            _span(0, 11, "Person", "a"),
            _span(22, 27, "Place", "b"),
            {
                "type": "relation",
                "from_id": "a",
                "to_id": "b",
                "direction": "right",
                "labels": ["works in"],
            },
        ],
    ),
    Template(
        "spans-and-class",
        "Spans and a class",
        _DOCUMENTS,
        "What a text is, and where one sees it.",
        """<View>
  <Choices name="kind" toName="text" choice="single" showInline="true">
    <Choice value="Complaint"/>
    <Choice value="Praise"/>
    <Choice value="Mixed"/>
  </Choices>
  <Labels name="label" toName="text">
    <Label value="Good" background="#7a9e3f" hotkey="1"/>
    <Label value="Bad" background="#d9534f" hotkey="2"/>
  </Labels>
  <Text name="text" value="$text"/>
</View>""",
        {"text": _REVIEW},
        [
            said("kind", "text", "choices", {"choices": ["Mixed"]}),
            said(
                "label",
                "text",
                "labels",
                {"start": 11, "end": 21, "text": _REVIEW[11:21], "labels": ["Good"]},
            ),
        ],
    ),
    Template(
        "taxonomy",
        "Taxonomy",
        _DOCUMENTS,
        "A place in a tree of classes.",
        """<View>
  <Text name="text" value="$text"/>
  <Taxonomy name="place" toName="text">
    <Choice value="Household">
      <Choice value="Kitchen"/>
      <Choice value="Garden"/>
    </Choice>
    <Choice value="Electronics">
      <Choice value="Audio"/>
      <Choice value="Computers"/>
    </Choice>
  </Taxonomy>
</View>""",
        {"text": _REVIEW},
        [said("place", "text", "taxonomy", {"taxonomy": [["Household", "Kitchen"]]})],
    ),
    Template(
        "html-entities",
        "Entities in HTML",
        _DOCUMENTS,
        "Spans in a page that keeps its layout.",
        """<View>
  <HyperTextLabels name="label" toName="page">
    <Label value="Name" background="#d97757" hotkey="1"/>
    <Label value="Date" background="#4a90d9" hotkey="2"/>
  </HyperTextLabels>
  <HyperText name="page" value="$html"/>
</View>""",
        {"html": "<h2>Minutes</h2><p>Anna Berg opened the meeting on <b>3 May</b>.</p>"},
        [
            said(
                "label",
                "page",
                "hypertextlabels",
                {
                    "start": "/p[1]/text()[1]",
                    "end": "/p[1]/text()[1]",
                    "startOffset": 0,
                    "endOffset": 9,
                    "text": "Anna Berg",
                    "hypertextlabels": ["Name"],
                },
            )
        ],
    ),
    Template(
        "dialogue-intents",
        "Dialogue with intents",
        _LANGUAGE,
        "What each speaker is after, turn by turn.",
        """<View>
  <ParagraphLabels name="intent" toName="talk">
    <Label value="Question" background="#4a90d9" hotkey="1"/>
    <Label value="Answer" background="#7a9e3f" hotkey="2"/>
    <Label value="Farewell" background="#9b7fc4" hotkey="3"/>
  </ParagraphLabels>
  <Paragraphs name="talk" value="$talk" layout="dialogue" nameKey="author" textKey="text"/>
</View>""",
        {
            "talk": [
                {"author": "Caller", "text": "When does the museum open?"},
                {"author": "Desk", "text": "At ten, and at noon on Sundays."},
            ]
        },
        [
            said(
                "intent",
                "talk",
                "paragraphlabels",
                {
                    "start": "0",
                    "end": "0",
                    "startOffset": 0,
                    "endOffset": 26,
                    "text": "When does the museum open?",
                    "paragraphlabels": ["Question"],
                },
            )
        ],
    ),
    Template(
        "question-answering",
        "Questions and answers",
        _LANGUAGE,
        "An answer in words, and the place that gives it.",
        """<View>
  <Header value="$question"/>
  <Labels name="place" toName="text">
    <Label value="Answer" background="#7a9e3f" hotkey="1"/>
  </Labels>
  <Text name="text" value="$text"/>
  <TextArea name="answer" toName="text" placeholder="In your own words" rows="2"/>
</View>""",
        {"text": _NEWS, "question": "How far did the river rise?"},
        [
            said(
                "place",
                "text",
                "labels",
                {"start": 15, "end": 28, "text": _NEWS[15:28], "labels": ["Answer"]},
            ),
            said("answer", "text", "textarea", {"text": ["Two metres."]}),
        ],
    ),
    Template(
        "summarisation",
        "Summary",
        _LANGUAGE,
        "A text in one or two sentences.",
        """<View>
  <Text name="text" value="$text"/>
  <TextArea name="summary" toName="text" rows="4" maxSubmissions="1" required="true"
            placeholder="One or two sentences"/>
</View>""",
        {"text": _NEWS},
        [said("summary", "text", "textarea", {"text": ["A flood drove people out."]})],
    ),
    Template(
        "translation-rating",
        "Rating of translations",
        _LANGUAGE,
        "How good a translation is, and a better one.",
        """<View>
  <Header value="Original"/>
  <Text name="source" value="$source"/>
  <Header value="Translation"/>
  <Text name="target" value="$target"/>
  <Rating name="adequacy" toName="target" maxRating="5" required="true"/>
  <TextArea name="better" toName="target" rows="2" placeholder="A better translation"/>
</View>""",
        {"source": "Der Fluss stieg über Nacht.", "target": "The river climbed over night."},
        [
            said("adequacy", "target", "rating", {"rating": 4}),
            said("better", "target", "textarea", {"text": ["The river rose overnight."]}),
        ],
    ),
    Template(
        "pairwise",
        "Comparison of two answers",
        _LANGUAGE,
        "Which of two is better.",
        """<View>
  <Header value="$prompt"/>
  <View style="display: flex; gap: 1em">
    <Text name="left" value="$left"/>
    <Text name="right" value="$right"/>
  </View>
  <Pairwise name="better" toName="left,right"/>
</View>""",
        {
            "prompt": "Why is the sky blue?",
            "left": "Air scatters blue light more than red.",
            "right": "It mirrors the sea.",
        },
        [said("better", "left", "pairwise", {"selected": "left"})],
    ),
    Template(
        "ranking",
        "Ranking of answers",
        _LANGUAGE,
        "Several answers of a language model, the best first.",
        """<View>
  <Text name="prompt" value="$prompt"/>
  <List name="answers" value="$answers" title="Answers"/>
  <Ranker name="rank" toName="answers">
    <Bucket name="good" title="Good"/>
    <Bucket name="wrong" title="Wrong"/>
  </Ranker>
</View>""",
        {
            "prompt": "Name a prime number above ten.",
            "answers": [
                {"id": "a", "title": "First", "body": "Eleven."},
                {"id": "b", "title": "Second", "body": "Fifteen."},
            ],
        },
        [said("rank", "answers", "ranker", {"ranker": {"good": ["a"], "wrong": ["b"]}})],
    ),
)
