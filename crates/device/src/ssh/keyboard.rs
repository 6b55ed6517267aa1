//! Answers for keyboard-interactive authentication (RFC 4256).

use super::text::quote;
use russh::client::Prompt;

/// Words of a question for the password, in the languages that devices speak.
const PASSWORD: &[&str] = &[
    "password",
    "passwort",
    "kennwort",
    "mot de passe",
    "contraseña",
    "contrasena",
    "senha",
    "wachtwoord",
    "пароль",
    "密码",
    "密碼",
    "パスワード",
];

/// Words that make it a question for something else: a second factor or a new password.
const OTHER: &[&str] = &[
    "one-time", "one time", "onetime", "otp", "token", "code", "new ", "again", "retype", "re-enter",
    "confirm",
];

/// A question that gets no answer, ready for a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// It asks for something that the credential does not have.
    Unknown(String),
    /// It asks for the password a second time: the first answer was wrong.
    Repeated(String),
    /// One of too many: this many rounds were answered.
    Endless(usize),
}

/// Answers the questions of one login, the one for the password once.
#[derive(Debug, Default)]
pub(super) struct Interview {
    answered: bool,
}

impl Interview {
    /// One answer per prompt, or the first question that has none.
    pub(super) fn answer(
        &mut self,
        instructions: &str,
        prompts: &[Prompt],
        password: &str,
    ) -> Result<Vec<String>, Unanswered> {
        prompts.iter().map(|prompt| self.answer_one(instructions, prompt, password)).collect()
    }

    fn answer_one(
        &mut self,
        instructions: &str,
        prompt: &Prompt,
        password: &str,
    ) -> Result<String, Unanswered> {
        // Some servers put the question into the instructions and leave the prompt empty.
        let question = if prompt.prompt.trim().is_empty() { instructions } else { &prompt.prompt };
        if prompt.echo || !is_password_question(question) {
            return Err(Unanswered::Unknown(quote(question)));
        }
        if self.answered {
            return Err(Unanswered::Repeated(quote(question)));
        }
        self.answered = true;
        Ok(password.to_owned())
    }
}

fn is_password_question(question: &str) -> bool {
    let question = question.to_lowercase();
    PASSWORD.iter().any(|word| question.contains(word)) && !OTHER.iter().any(|word| question.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(interview: &mut Interview, question: &str, echo: bool) -> Result<String, Unanswered> {
        let prompts = [Prompt { prompt: question.into(), echo }];
        interview.answer("", &prompts, "canary").map(|mut answers| answers.remove(0))
    }

    #[test]
    fn questions_for_the_password_get_it() {
        for question in
            ["Password: ", "password for admin@R1:", "Kennwort:", "Mot de passe :", "(ops@fw) Password:"]
        {
            assert_eq!(ask(&mut Interview::default(), question, false), Ok("canary".into()), "{question}");
        }
    }

    #[test]
    fn other_questions_do_not_get_the_password_and_are_quoted() {
        for question in [
            "Verification code: ",
            "Enter PASSCODE:",
            "One-time password: ",
            "Password + token:",
            "New Password:",
            "Retype password:",
            "Favourite colour?",
            "",
        ] {
            let refusal = ask(&mut Interview::default(), question, false);
            assert_eq!(refusal, Err(Unanswered::Unknown(question.trim().into())));
        }
        assert!(ask(&mut Interview::default(), "Password:", true).is_err(), "shown while typed");
    }

    #[test]
    fn the_password_is_given_once() {
        let mut interview = Interview::default();
        assert_eq!(interview.answer("welcome", &[], "canary"), Ok(vec![]));
        assert!(ask(&mut interview, "Password:", false).is_ok());
        let second = ask(&mut interview, "Password:", false);
        assert_eq!(second, Err(Unanswered::Repeated("Password:".into())));
    }

    #[test]
    fn an_empty_prompt_is_understood_by_its_instructions() {
        let prompts = [Prompt { prompt: " ".into(), echo: false }];
        let answers = Interview::default().answer("Enter your password", &prompts, "canary");
        assert_eq!(answers, Ok(vec!["canary".to_owned()]));
    }
}
