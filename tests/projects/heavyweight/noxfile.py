import nox
import noxden

noxden.lint()
noxden.unit()
noxden.packaging()


@noxden.session(groups=["test", "heavy"], default=False)
def heavy(session: nox.Session) -> None:
    session.run("pytest", "-m", "heavy", *session.posargs)
