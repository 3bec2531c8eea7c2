"""Labels of questions and answers, and openings of replies, in the languages that models write besides English.

They are read whatever language was asked for: models label in the prompt's language, in the answer's, or in a third.
"""

from __future__ import annotations

import re

QUESTION_LABELS = (
    "질문|문제", "问题|問題|提问|提問|问|問", "質問", "fragen?", "preguntas?", "pergunta", "вопрос",
    "السؤال|سؤال", "प्रश्न|सवाल",
)  # fmt: skip
ANSWER_LABELS = (
    "답변|대답|응답|답", "回答|答案|答复|答覆|答", "答え", "antwort(?:en)?", "respuestas?", "réponses?", "respostas?",
    "ответ", "الإجابة|إجابة|الجواب|جواب", "उत्तर|जवाब",
)  # fmt: skip
QUESTION_WORDS, ANSWER_WORDS = "|".join(QUESTION_LABELS), "|".join(ANSWER_LABELS)
"""Korean, Chinese, Japanese, German, Spanish, French, Portuguese, Russian, Arabic, Hindi; French has the English
"question"."""
NUMERALS = "[一二三四五六七八九十]"
"""Chinese numerals: "问题一:" is "question 1:"."""

OPENINGS = re.compile(
    r"(?:(?:네|물론(?:입니다|이죠)|알겠습니다)[,.!]\s?)?(?:다음은|아래는)[^\n:：]{0,60}(?:설명|묘사|대화|답변)(?:입니다)?[.:：]\s?"
    r"|(?:(?:好的|当然(?:可以)?|當然(?:可以)?|没问题|沒問題)[，,！!。]\s?)?(?:以下是|下面是)[^\n:：。]{0,60}[:：]\s?"
    r"|(?:(?:はい|もちろん(?:です)?|承知しました|かしこまりました)[、。！]\s?)?以下(?:は|に)[^\n:：。]{0,60}[:：。]\s?"
    r"|(?:(?:natürlich|gerne?|klar|sicher)[,!.]\s?)?hier ist[^\n:.]{0,80}"
    r"(?:beschreibung|antwort|gespräch)[^\n:.]{0,40}:\s?"
    r"|(?:(?:claro(?: que sí)?|por supuesto|desde luego)[,!.]\s?)?"
    r"(?:aquí (?:tienes|está|tiene)|a continuación)[^\n:.]{0,100}:\s?"
    r"|(?:(?:bien sûr|certainement|d[’']accord)[,!.]?\s?)?voici[^\n:.]{0,100}:\s?"
    r"|(?:(?:claro|com certeza)[,!.]\s?)?(?:aqui está|segue)[^\n:.]{0,100}:\s?"
    r"|(?:(?:конечно|хорошо)[,!.]\s?)?вот[^\n:.]{0,80}(?:описание|ответ|диалог)[^\n:.]{0,40}:\s?",
    re.IGNORECASE,
)
"""What a model says before a reply: "好的，以下是对图片的描述：", "Hier ist die Beschreibung:"."""
TITLES = re.compile(
    r"[#*_>\s]{0,8}(?:(?:이미지|사진|그림)?\s?(?:상세\s?)?(?:설명|묘사)|(?:图片|图像|照片|圖片|画面)?(?:详细)?描述|(?:画像|写真)の?(?:詳細な?)?説明"
    r"|(?:bild)?beschreibung|descripción(?: de la imagen)?|description(?: de l[’']image)?|descrição(?: da imagem)?"
    r"|описание(?: изображения)?|الوصف|وصف الصورة|विवरण)"
    r"(?:[*_]{0,3}[:：][*_]{0,3}[ \t]{0,4}|[*_]{0,4}[ \t]{0,4}(?=\n))",
    re.IGNORECASE,
)
"""A heading over a bare text: "설명:", "**Beschreibung**"."""
