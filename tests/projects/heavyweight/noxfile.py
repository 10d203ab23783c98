import noxden

noxden.lint()
noxden.unit()
noxden.heavy()
noxden.packaging()
